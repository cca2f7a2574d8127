// @ts-check
/** One name for each actor, and no generated ids: agents read names. */

/** @typedef {import("../data/types.js").Customer} Customer */
/** @typedef {import("../data/types.js").Identity} Identity */
/** @typedef {import("../data/types.js").Touchpoint} Touchpoint */
/** @typedef {import("../text/words.js").Words} Words */

const PEOPLE = Object.freeze(["user", "email", "phone"]);
const LONG = 12; // a generated id without a prefix has at least so many characters
const MOSTLY_DIGITS = 16; // longer numbers are not what people read out

/**
 * Whether a value is a machine's id rather than something that people read: a hash, a UUID, `ho_01k…`.
 * @param {unknown} value
 */
export function isGenerated(value) {
  const text = String(value ?? "");
  if (/\s|@/.test(text)) return false;
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-/i.test(text)) return true;
  if (/^[a-z]{2,6}[_-][0-9a-z_-]{10,}$/i.test(text) && /\d/.test(text)) return true;
  if (/^[+0-9-]+$/.test(text)) return text.length > MOSTLY_DIGITS;
  if (/^[0-9a-f]+$/i.test(text)) return text.length > LONG;
  return /^[0-9a-z]+$/i.test(text) && /\d/.test(text) && /[a-z]/i.test(text) && text.length >= 20;
}

/** Sort order: identities that people use come first. @param {Identity} it */
export function place(it) {
  const found = PEOPLE.indexOf(it.type);
  return found < 0 ? PEOPLE.length : found;
}

/** The name that the customer stated, else the surest identity that people can read; null if there is neither.
 * @param {Customer} customer */
export function readableName({ traits, identities }) {
  const whole = [traits.first_name ?? traits.firstName, traits.last_name ?? traits.lastName].filter(Boolean).join(" ");
  const stated = [traits.name, traits.full_name, whole].find((it) => typeof it === "string" && it.trim());
  if (stated) return String(stated);
  const sure = (/** @type {Identity} */ it) => (it.assurance === "verified" ? 0 : 10);
  const readable = identities.filter((it) => place(it) < PEOPLE.length && !isGenerated(it.value));
  readable.sort((one, other) => sure(one) + place(one) - sure(other) - place(other));
  return readable[0]?.value ?? null;
}

/** @param {Customer} customer @param {Words} words */
export function customerName(customer, words) {
  return readableName(customer) ?? words.text("who.unknown");
}

/** The names of those who act in a timeline. An actor keeps one name, the newest that was given with its id. */
export class ActorNames {
  /** @type {Map<string, string>} */ #known = new Map();

  /**
   * @param {Words} words
   * @param {Customer | null | undefined} customer
   * @param {Touchpoint[]} touchpoints newest first
   */
  constructor(words, customer, touchpoints) {
    this.words = words;
    this.customer = customer ? customerName(customer, words) : "";
    for (const { actor } of touchpoints) {
      const key = keyOf(actor);
      if (key && actor?.name && !this.#known.has(key)) this.#known.set(key, String(actor.name));
    }
  }

  /** @param {Touchpoint} it */
  of(it) {
    const { actor, direction } = it;
    const type = actor ? (actor.type ?? actor.kind ?? actor.role) : null;
    const known = this.#known.get(keyOf(actor)) ?? (actor?.name ? String(actor.name) : "");
    if (direction === "inbound") return this.#customer(it, known);
    if (known) return known;
    if (actor?.id && typeof actor.id === "string" && type !== "system" && !isGenerated(actor.id)) return actor.id;
    if (type && this.words.has(`who.${type}`)) return this.words.text(`who.${type}`);
    return this.words.text(direction === "internal" ? "who.internal" : "who.us");
  }

  /** The customer's own name, unless somebody else may have acted. @param {Touchpoint} it @param {string} known */
  #customer({ assurance, participant_of: copied, assigned }, known) {
    const own = assurance === "verified" && !copied && !assigned;
    if (own && this.customer) return this.customer;
    return known || (copied ? this.words.text("who.customer") : this.customer || this.words.text("who.customer"));
  }
}

/** @param {Touchpoint["actor"]} actor */
function keyOf(actor) {
  return typeof actor?.id === "string" || typeof actor?.id === "number" ? `${actor.id}` : "";
}
