// A line of a log as a terminal would show it: colours and weights of ANSI become classes, a carriage return goes back
// to the begin of the line and what follows overwrites, other escapes vanish. Pure: no document.

const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const MOST = 20000; // characters of a line
// What a CSI sequence, an OSC sequence or another escape looks like, at the place where the search is.
const ESCAPE = /\x1b(?:\[([0-9;?]*)([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])/y;

function restyle(style, codes) {
  const list = codes === "" ? [0] : codes.split(";").map(Number);
  for (let i = 0; i < list.length; i++) {
    const code = list[i];
    if (code === 0) style = { color: "", bold: false };
    else if (code === 1) style = { ...style, bold: true };
    else if (code === 22) style = { ...style, bold: false };
    else if (code === 39) style = { ...style, color: "" };
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97))
      style = { ...style, color: NAMES[code % 10] };
    else if (code === 38) i += list[i + 1] === 5 ? 2 : 4; // of a palette: not told apart
  }
  return style;
}

/** [{text, color, bold}] */
export function segments(line) {
  const cells = [];
  let column = 0, style = { color: "", bold: false };
  for (let i = 0; i < line.length && cells.length < MOST; i++) {
    const character = line[i];
    if (character === "\x1b") {
      ESCAPE.lastIndex = i;
      const found = ESCAPE.exec(line);
      if (!found) continue;
      if (found[2] === "m") style = restyle(style, found[1]);
      else if (found[2] === "K") cells.length = Math.min(cells.length, column);
      i += found[0].length - 1;
    } else if (character === "\r") column = 0;
    else if (character === "\b") column = Math.max(0, column - 1);
    else if (character >= " " || character === "\t") cells[column++] = { character, ...style };
  }
  const found = [];
  for (const cell of cells) {
    const { character, color, bold } = cell ?? { character: " ", color: "", bold: false };
    const last = found[found.length - 1];
    if (last && last.color === color && last.bold === bold) last.text += character;
    else found.push({ text: character, color, bold });
  }
  return found;
}

export const plainText = (line) => segments(line).map(({ text }) => text).join("");
