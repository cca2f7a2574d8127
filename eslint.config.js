// What the panel's scripts must keep to: text never becomes markup, and the usual.
import js from "@eslint/js";

const MARKUP = "text goes in as text";
const browser = [
  "AbortController", "AudioContext", "CSSStyleSheet", "CustomEvent", "Element", "Event", "FormData", "GainNode",
  "HTMLElement", "Node", "OscillatorNode", "Response", "TextDecoderStream", "URL", "URLSearchParams", "addEventListener", "clearTimeout", "console", "crypto",
  "customElements", "document", "fetch", "history", "localStorage", "location", "matchMedia", "navigator", "queueMicrotask",
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
        { object: "localStorage", property: "setItem", message: "nothing is kept on disk" },
      ],
      "no-unused-expressions": "off",
    },
  },
];
