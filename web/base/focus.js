// The focus never falls to the body: when what has it goes, is hidden or disabled, the nearest thing around it that
// takes the focus gets it, at last the content as a whole. Whoever goes by keyboard stays where the work is.

export const TAKES = "[tabindex], a[href], button, input, select, textarea, summary";

export function holdFocus(main) {
  let last = null, around = [];
  document.addEventListener("focusin", ({ target }) => {
    last = target;
    around = [];
    for (let box = target.parentElement; box && box !== document.body; box = box.parentElement) around.push(box);
  });
  const lost = () => last !== null && (document.activeElement ?? document.body) === document.body &&
    !(last.isConnected && last.checkVisibility() && !last.disabled);
  const mend = () => {
    if (!lost() || document.querySelector("dialog[open]")) return;
    const box = around.find((one) => one.isConnected && one.checkVisibility() && one.matches(TAKES)) ?? main;
    box.focus({ preventScroll: true });
  };
  new MutationObserver(() => requestAnimationFrame(mend)).observe(document.body,
    { childList: true, subtree: true, attributes: true, attributeFilter: ["hidden", "disabled", "open"] });
}
