// Runs in every tab of the shift. It sees what an agent sees, and when: through no driver, so its times are the page's.
window.shift = (() => {
  const SENDING = /^(sending|loading)/i;
  const FRAME_MS = 50; // a tab in the background has no frames
  let goal = () => false;
  let known = new Set();
  let begun = null;

  /** Looks happen once per frame: between two, nothing that an agent sees changes. */
  function nextFrame() {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, FRAME_MS);
      requestAnimationFrame(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  function* roots(root = document) {
    yield root;
    for (const it of root.querySelectorAll("*")) if (it.shadowRoot) yield* roots(it.shadowRoot);
  }

  function all(selector, from = document) {
    return [...roots(from)].flatMap((it) => [...it.querySelectorAll(selector)]);
  }

  function element(tag) {
    return document.querySelector(tag)?.shadowRoot ?? null;
  }

  function visible(it) {
    if (!it.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true })) return false;
    const { top, bottom, width, height } = it.getBoundingClientRect();
    return width > 1 && height > 1 && bottom > 0 && top < innerHeight;
  }

  /** What the panel reports to the agent: statuses and alerts, but for the state of the connection. */
  function reports() {
    const texts = all("[role=status], [role=alert]").filter((it) => !it.dataset.state).map((it) => it.textContent.trim());
    return [...new Set(texts)].filter(Boolean);
  }

  function reported() {
    return reports().join(" | ");
  }

  /** What it reports since the action began, also what it had reported before and reports again. */
  function news() {
    const now = reports();
    known = new Set([...known].filter((it) => now.includes(it)));
    return now.filter((it) => !known.has(it) && !SENDING.test(it)).join(" | ");
  }

  /** The handoffs of the queue: id -> whether it is the agent's own. */
  function listed() {
    const found = {};
    const root = element("handoff-queue");
    for (const it of root ? all("[data-id]", root) : []) {
      found[it.dataset.id] = Boolean(it.closest(".mine"));
    }
    return found;
  }

  function shown(text) {
    const root = element("handoff-context");
    if (!root) return false;
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      if (walker.currentNode.data.includes(text) && visible(walker.currentNode.parentElement)) return true;
    }
    return false;
  }

  function offers(move) {
    const root = element("handoff-context");
    return root !== null && all(`[data-move=${move}]`, root).some((it) => visible(it) && !it.disabled);
  }

  const GOALS = {
    // The customer's story is on the screen, and the handoff is the agent's.
    accept: ({ id, mark }) => document.querySelector("handoff-context")?.getAttribute("handoff") === id && shown(mark) && offers("complete"),
    open: ({ id, mark }) => document.querySelector("handoff-context")?.getAttribute("handoff") === id && shown(mark),
    note: ({ text }) => element("handoff-context")?.textContent.includes(text) ?? false, // wherever the timeline is
    // With a fallback, it may wait in another queue that is listed here.
    decline: ({ id }) => !(id in listed()) || news().includes("Declined."),
    release: ({ id }) => !(id in listed()),
    complete: ({ id }) => !(id in listed()),
    // The agent stays the owner until another one accepts.
    transfer: ({ text }) => reported().includes(text) && !all("dialog[open]").length,
  };

  function begins(event) {
    if (event.isTrusted) begun = event.timeStamp;
  }
  addEventListener("click", begins, true);
  addEventListener("keydown", begins, true);

  return {
    listed,
    reported,
    /** Before an action: what it should lead to. */
    expect(kind, given) {
      goal = () => GOALS[kind](given);
      known = new Set(reports());
      begun = null;
    },
    /** After the action: when its goal was reached. Without it, what the panel says, once nothing more comes within `grace_ms`. */
    async outcome(limitMs, graceMs) {
      const deadline = performance.now() + limitMs;
      let explained = null;
      for (;;) {
        const now = performance.now();
        if (goal()) return { reached: true, ms: now - (begun ?? now), reported: "" };
        const text = news();
        explained = text ? (explained ?? now) : null;
        if (now > deadline || (explained !== null && now - explained > graceMs)) return { reached: false, ms: now - (begun ?? now), reported: text };
        await nextFrame();
      }
    },
  };
})();
