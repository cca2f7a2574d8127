// @ts-check
/**
 * The API types that the panel uses, generated from the OpenAPI document. The type checker reports any
 * change to the API that the panel does not follow.
 *
 * @typedef {import("../openapi.js").components["schemas"]} Schemas
 * @typedef {Schemas["Brief"]} Brief
 * @typedef {Schemas["Candidate"]} Candidate
 * @typedef {Schemas["Context"]} Context
 * @typedef {Schemas["ContinuityCode"]} ContinuityCode
 * @typedef {Schemas["ConversationSummary"]} Conversation
 * @typedef {Schemas["Customer"]} Customer
 * @typedef {Schemas["Effort"]} Effort
 * @typedef {Schemas["Forecast"]} Forecast
 * @typedef {Schemas["Handoff"]} Handoff
 * @typedef {Schemas["Identity"]} Identity
 * @typedef {Schemas["BriefLine"] & {params: Record<string, any>}} Line `params` depend on the code
 * @typedef {Schemas["Party"]} Party
 * @typedef {Schemas["Timeline"]} Timeline
 * @typedef {Schemas["Touchpoint"]} Touchpoint
 * @typedef {Schemas["Derived"]} Derived
 */
export {};
