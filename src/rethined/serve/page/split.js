// The slider between before and after.

/**
 * @param {HTMLElement} handle
 * @param {HTMLElement} stage
 * @param {(share: number) => void} onChange told where it is, 0..1 of the width of the stage
 */
export function makeSplit(handle, stage, onChange) {
  let share = 0.5;

  /** @param {number} next */
  const set = (next) => {
    share = Math.min(1, Math.max(0, next));
    handle.style.left = `${share * 100}%`;
    handle.setAttribute("aria-valuenow", String(Math.round(share * 100)));
    handle.setAttribute("aria-valuetext", `${Math.round(share * 100)} % before`);
    onChange(share);
  };

  handle.addEventListener("pointerdown", (event) => {
    handle.setPointerCapture(event.pointerId);
    handle.focus({ preventScroll: true });
    event.preventDefault();
  });
  handle.addEventListener("pointermove", (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    const { left, width } = stage.getBoundingClientRect();
    set((event.clientX - left) / width);
  });
  handle.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 0.1 : 0.02;
    const next = {
      ArrowLeft: share - step,
      ArrowDown: share - step,
      ArrowRight: share + step,
      ArrowUp: share + step,
      Home: 0,
      End: 1,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    set(next);
  });

  return {
    set,
    /** All after, or all before. */
    toggle: () => set(share > 0 ? 0 : 1),
  };
}
