// The words that are on the screen now: inside the viewport and every box that clips them, not hidden, not folded away.
() => {
  const TOLERANCE = 1; // of a pixel: line boxes are often cut by a fraction
  const BLOCKS = new Set(["block", "list-item", "flex", "grid", "table", "table-cell", "table-row", "flow-root"]);
  const clips = new Map();
  const lines = [];
  let block = null;

  function parent(it) {
    return it.assignedSlot ?? it.parentElement ?? (it.getRootNode() instanceof ShadowRoot ? it.getRootNode().host : null);
  }

  /** What the boxes around an element leave of the viewport. */
  function clip(it) {
    if (!it) return { left: 0, top: 0, right: innerWidth, bottom: innerHeight };
    if (clips.has(it)) return clips.get(it);
    let left = clip(parent(it));
    const { overflowX, overflowY } = getComputedStyle(it);
    if (it !== document.documentElement && it !== document.body && (overflowX !== "visible" || overflowY !== "visible")) {
      const box = it.getBoundingClientRect();
      left = {
        left: Math.max(left.left, box.left),
        top: Math.max(left.top, box.top),
        right: Math.min(left.right, box.right),
        bottom: Math.min(left.bottom, box.bottom),
      };
    }
    clips.set(it, left);
    return left;
  }

  function inside(box, clip) {
    return (
      box.left >= clip.left - TOLERANCE && box.right <= clip.right + TOLERANCE &&
      box.top >= clip.top - TOLERANCE && box.bottom <= clip.bottom + TOLERANCE
    );
  }

  function blockOf(it) {
    for (let at = it; at; at = parent(at)) if (BLOCKS.has(getComputedStyle(at).display)) return at;
    return null;
  }

  function add(node) {
    const it = node.parentElement ?? node.getRootNode().host;
    if (!it.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true })) return;
    if (it instanceof HTMLDetailsElement && !it.open) return;
    const around = clip(it);
    const range = document.createRange();
    let text = "";
    for (const { 0: word, index } of node.data.matchAll(/\s+|\S+/g)) {
      if (!word.trim()) {
        text += " ";
        continue;
      }
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      const boxes = [...range.getClientRects()].filter((box) => box.width > 0);
      if (boxes.length && boxes.every((box) => inside(box, around))) text += word;
    }
    const mine = blockOf(it);
    if (lines.length && mine === block) lines[lines.length - 1] += text;
    else if (text.trim()) {
      lines.push(text);
      block = mine;
    }
  }

  function walk(node) {
    if (node.nodeType === Node.TEXT_NODE) add(node);
    else if (node.nodeType === Node.ELEMENT_NODE && !["SCRIPT", "STYLE", "NOSCRIPT"].includes(node.tagName)) {
      for (const child of (node.shadowRoot ?? node).childNodes) walk(child);
    }
  }

  walk(document.body);
  return lines.map((it) => it.replace(/\s+/g, " ").trim()).filter(Boolean).join("\n");
}
