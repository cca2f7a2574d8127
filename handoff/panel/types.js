// @ts-check
/**
 * The shapes of the API that the panel reads, from the types that are made of its description: a
 * change of the API that the panel does not follow is an error of the type checker.
 *
 * @typedef {import("./openapi.js").components["schemas"]} Schemas
 * @typedef {Schemas["Brief"]} Brief
 * @typedef {Schemas["Candidate"]} Candidate
 * @typedef {Schemas["Context"]} Context
 * @typedef {Schemas["ConversationSummary"]} Conversation
 * @typedef {Schemas["Customer"]} Customer
 * @typedef {Schemas["Effort"]} Effort
 * @typedef {Schemas["Handoff"]} Handoff
 * @typedef {Schemas["Identity"]} Identity
 * @typedef {Schemas["BriefLine"] & {params: Record<string, any>}} Line params: as each code has them
 * @typedef {Schemas["Party"]} Party
 * @typedef {Schemas["Timeline"]} Timeline
 * @typedef {Schemas["Touchpoint"]} Touchpoint
 */
export {};
