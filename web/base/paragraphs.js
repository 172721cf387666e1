// A verdict cut into paragraphs. Pure: no document.

/** One an arm, where that is the whole of it. What ran elsewhere ends the sentence of each claim that is made, and is
 *  said once of all. */
export function paragraphs({ verdict, primary, checks }) {
  const all = primary.map(({ sentence }) => sentence);
  const elsewhere = ` ${checks.find(({ name }) => name === "selection")?.detail}.`;
  if (all.length > 1 && verdict.sentence.endsWith(elsewhere))
    all.splice(0, all.length, ...all.map((one) => one.replace(elsewhere, "")), elsewhere.trim());
  return all.join(" ") === verdict.sentence ? all : [verdict.sentence];
}
