// @ts-check
/**
 * The shapes of the API that the panel reads (openapi.json has all of them), for the type checker.
 *
 * @typedef {{code: string, params: Record<string, any>, count: number, touchpoints: string[],
 *   assurance: string, text: string}} Line
 * @typedef {{contacts: number, channels: string[], switches: number, transfers: number, repeated: number,
 *   since: string | null, waiting_since: string | null, waiting_minutes: number}} Effort
 * @typedef {{why_now: Line[], wants: Line[], tried: Line[], promised: Line[], known: Line[],
 *   feelings: Line[], effort: Effort, left_out?: Record<string, number>,
 *   summary?: {text: string, by: string} | null}} Brief
 * @typedef {{type: string, space: string, value: string, assurance: string, via: string, since: string}} Identity
 * @typedef {{customer_id: string, identity: string, reason: string, assurance: string,
 *   touchpoints: number, links: string[]}} Candidate
 * @typedef {{identity: string, other: string, reason: string, link: string}} Conflict
 * @typedef {{id: string, identities: Identity[], traits: Record<string, any>, candidates: Candidate[],
 *   conflicts: Conflict[], shared: boolean}} Customer
 * @typedef {{id: string, channel: string, medium: string | null, source: string, type: string,
 *   direction: string, visibility: string, assurance: string, occurred_at: string, recorded_at: string,
 *   late: boolean, identity: string, thread: string | null, conversation_id: string,
 *   actor: Record<string, any> | null, subject: string | null, text: string | null,
 *   attachments: Record<string, any>[], data: Record<string, any>, amends: string | null,
 *   amended_by: string | null, deleted: boolean, participant_of: any}} Touchpoint
 * @typedef {{channel?: string, party?: string, queue?: string, agent?: string}} Party
 * @typedef {{id: string, from: Party, to: Party, reason: string, outcome: string, requested_at: string,
 *   ended_at: string, waited_s: number, agent: string | null}} Hop
 * @typedef {{id: string, state: string, version: number, owner: string | null, customer_id: string,
 *   conversation_id: string, from: Party, to: Party, reason: string, requested_at: string,
 *   deadline: string, offer_until: string | null, snapshot: {id: string, sha256: string, at: string} | null,
 *   hops: Hop[], history: {state: string, at: string, by: string, reason: string | null}[],
 *   viewed_at: string | null}} Handoff
 * @typedef {{id: string, state: string, subject: string | null, channels: string[], opened_at: string,
 *   root: string, previous: string | null, owner: string | null}} Conversation
 * @typedef {{name: string, last_seen: string | null, behind_s: number, spooled: number,
 *   quarantined: number}} Source
 * @typedef {{touchpoints: Touchpoint[], total: number | null, returned: number, next: string | null}} Timeline
 * @typedef {{match: string, match_assurance: string | null, as_of: string, requested_id: string | null,
 *   customer: Customer | null, conversations: Conversation[], handoffs: Handoff[], brief: Brief,
 *   timeline: Timeline, completeness: {state: string, sources: Source[]},
 *   left_out: Record<string, any>, candidates?: Candidate[], question?: string}} Context
 */
export {};
