// Files of the format safetensors: a length (u64, little-endian), a JSON header of that length, then the arrays' bytes.

const VIEWS = { U8: Uint8Array, I32: Int32Array, F32: Float32Array, F64: Float64Array };

/** {metadata, arrays: Map of name → {shape, data}}; throws when it is none. */
export function readSafetensors(buffer) {
  const start = 8 + Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, start - 8)));
  const { __metadata__: metadata = {}, ...rest } = header;
  const arrays = Object.entries(rest).map(([name, { dtype, shape, data_offsets: [from, to] }]) =>
    [name, { shape, data: new VIEWS[dtype](buffer.slice(start + from, start + to)) }]);
  return { metadata, arrays: new Map(arrays) };
}
