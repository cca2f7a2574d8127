// Rules for the panel's scripts: the recommended ones, and no API that turns text into markup.
import js from "@eslint/js";

const MARKUP = "insert text as a text node";
const browser = [
  "AbortController", "AudioContext", "BroadcastChannel", "CSSStyleSheet", "CustomEvent", "DOMException", "Element", "Event", "FormData", "GainNode", "HTMLTextAreaElement", "ShadowRoot", "getComputedStyle",
  "HTMLDetailsElement", "HTMLElement", "IntersectionObserver", "Node", "OscillatorNode", "Response", "TextDecoderStream", "TextEncoder", "URL", "URLSearchParams", "addEventListener", "clearTimeout", "console", "crypto",
  "customElements", "document", "fetch", "history", "localStorage", "location", "matchMedia", "navigator", "performance", "queueMicrotask",
  "setTimeout", "window",
];

export default [
  js.configs.recommended,
  {
    languageOptions: { globals: Object.fromEntries(browser.map((name) => [name, "readonly"])) },
    rules: {
      eqeqeq: "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-var": "error",
      "prefer-const": "error",
      "no-restricted-properties": [
        "error",
        ...["innerHTML", "outerHTML", "insertAdjacentHTML", "write", "setHTMLUnsafe", "createContextualFragment", "srcdoc"]
          .map((property) => ({ property, message: MARKUP })),
        { object: "localStorage", property: "setItem", message: "store nothing on disk" },
      ],
      "no-unused-expressions": "off",
    },
  },
];
