/** The API of the server that this file comes from: see docs/desktop.md. Written by `make ts-types`. */

export interface paths {
    "/v1/touchpoints": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Record touchpoints
         * @description One touchpoint, an array, NDJSON (one touchpoint a line, answered line by line while it is still being sent) or CloudEvents 1.0. Everything counted is durable. The same `id` again is a duplicate, whenever it comes and whatever its times say; with other content it is `id_reused`. A rejected item never takes its batch down.
         *
         *     A request has at most 1048576 bytes, NDJSON any number of lines of at most 524288; one touchpoint has at most 262144 bytes as stored. Nothing is cut: what is above a limit is refused.
         *
         *     To say that a line of a brief is wrong, record `brief.line_wrong` with the line's `code` as `data.rule`, its `text` as `data.line`, and the agent as `actor`; metrics count it by rule. `Content-Encoding` is not taken. An `Idempotency-Key` does not apply to NDJSON.
         *
         *     Needs the scope `touchpoints:write`.
         */
        post: operations["recordTouchpoints"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/touchpoints/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read one touchpoint
         * @description With its newest edit folded in.
         *
         *     Needs the scope `context:read`.
         */
        get: operations["readTouchpoint"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/context": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The same look-up for a shell
         * @description `match` is `one`, `several` (`customer` is null, ranked `candidates`, a `question` to ask) or `none`; all three are 200. The brief is over the open conversation and at most the newest 1000 touchpoints. What an answer does not hold is named in `left_out`.
         *
         *     While nothing has changed, who asks the same again is told the same: what moves with the clock alone (minutes waited, when sources were last heard) may then be ten seconds old. `Cache-Control: no-store` asks for one made anew.
         *
         *     Needs the scope `context:read`.
         */
        get: operations["lookUpByQuery"];
        put?: never;
        /**
         * Who is this, and what happened?
         * @description The look-up for programs, by 1 to 20 handles of one person. `match` is `one`, `several` (`customer` is null, ranked `candidates`, a `question` to ask) or `none`; all three are 200. The brief is over the open conversation and at most the newest 1000 touchpoints. What an answer does not hold is named in `left_out`.
         *
         *     While nothing has changed, who asks the same again is told the same: what moves with the clock alone (minutes waited, when sources were last heard) may then be ten seconds old. `Cache-Control: no-store` asks for one made anew.
         *
         *     Needs the scope `context:read`.
         */
        post: operations["lookUp"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/customers/{id}/context": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * A customer's context
         * @description `customer.id` is the current id, `requested_id` the one asked for.
         *
         *     Needs the scope `context:read`.
         */
        get: operations["readCustomerContext"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/customers/{id}/timeline": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * A customer's timeline, page by page
         * @description In the order in which things happened. With a filter `total` is null, and where 5000 touchpoints did not fill the page, `scanned_to` says how far it got; `next` goes on from there.
         *
         *     Needs the scope `context:read`.
         */
        get: operations["readTimeline"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/customers/{id}/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * All that is known of a customer
         * @description Who it is, all evidence, all hand-offs, and every touchpoint, oldest first, written while it is read: of any length. An export that cannot be ended is cut off, and is no JSON then. With `format=vcon` a list of vCons, one for each conversation in which something was said, as `/v1/conversations/{id}/vcon` tells them.
         *
         *     Needs the scope `context:read`.
         */
        get: operations["exportCustomer"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/customers/{id}/links": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * All evidence about a customer
         * @description Oldest first, what was withdrawn or refused included.
         *
         *     Needs the scope `context:read`.
         */
        get: operations["listLinks"];
        put?: never;
        /**
         * Say that an identity is this customer's
         * @description Copies nothing; can be withdrawn.
         *
         *     Needs the scope `links:write`.
         */
        post: operations["createLink"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/customers/{id}/links/{link}/withdraw": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Withdraw one piece of evidence
         * @description Gives each identity back its own touchpoints, and stays withdrawn when the same senders repeat themselves.
         *
         *     Needs the scope `links:write`.
         */
        post: operations["withdrawLink"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/customers/{id}/split": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Take identities out, whatever held them
         * @description Needs the scope `links:write`.
         */
        post: operations["splitCustomer"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/identities/shared": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Mark an identity as several people's
         * @description A family's phone, a shop's terminal: it joins nobody any more. `shared: false` takes it back.
         *
         *     Needs the scope `links:write`.
         */
        post: operations["markShared"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * One conversation
         * @description Its threads, state, owner and hand-offs.
         *
         *     Needs the scope `context:read`.
         */
        get: operations["readConversation"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{id}/vcon": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * One conversation as a vCon
         * @description In the unsigned form of draft-ietf-vcon-vcon-core-04 (syntax `0.4.0`): what was said, by whom, what is known of attachments, and calls without their recording. The `uuid` is the same at every export. Where the customer's timeline is too long to be read at once, 422 `too_long`.
         *
         *     Needs the scope `context:read`.
         */
        get: operations["exportConversation"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/handoffs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List hand-offs
         * @description `total` is null where a filter was used.
         *
         *     Needs the scope `handoffs:read`.
         */
        get: operations["listHandoffs"];
        put?: never;
        /**
         * Request a hand-off
         * @description Of exactly one of `identity`, `customer_id` and `conversation_id`. By identity or customer it is the newest open conversation of `from.channel`, else the newest open one, else a new one; an identity never seen is fine. The context is pinned at once.
         *
         *     `deadline_s` is above 0 and at most 34560000, 86400 by default; names have at most 200 characters, a reason 2000, `fallback` 20 steps.
         *
         *     Needs the scope `handoffs:write`.
         */
        post: operations["requestHandoff"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/handoffs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read a hand-off
         * @description Needs the scope `handoffs:read`.
         */
        get: operations["readHandoff"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/handoffs/{id}/context": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The context for a hand-off, as it is now
         * @description Needs the scope `handoffs:read` and `context:read`.
         */
        get: operations["readHandoffContext"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/handoffs/{id}/snapshots": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What was pinned of a hand-off
         * @description Oldest first.
         *
         *     Needs the scope `handoffs:read`.
         */
        get: operations["listSnapshots"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/handoffs/{id}/snapshot": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The context as it was pinned, byte for byte
         * @description The newest without `at`. After an erasure 404: only the hash is left.
         *
         *     Needs the scope `handoffs:read` and `context:read`.
         */
        get: operations["readSnapshot"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/handoffs/{id}/offer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Offer a hand-off to an agent
         * @description From `requested`, `offered` to `offered`. `version` is the one the caller saw. The agent is in `agent`.
         *
         *     Needs the scope `handoffs:write`.
         */
        post: operations["offerHandoff"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/handoffs/{id}/accept": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Accept a hand-off
         * @description From `requested`, `offered` to `accepted`. `version` is the one the caller saw. Pinned with what the agent sees now. Where somebody owns the conversation, their hand-off ends as `transferred`. Of two who accept, one wins, the other gets 409. The agent of a session token wins over `agent`; another one is 403.
         *
         *     Needs the scope `handoffs:write`.
         */
        post: operations["acceptHandoff"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/handoffs/{id}/decline": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Decline a hand-off
         * @description From `requested`, `offered` to `declined`. `version` is the one the caller saw.
         *
         *     Needs the scope `handoffs:write`.
         */
        post: operations["declineHandoff"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/handoffs/{id}/release": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Give an accepted hand-off back
         * @description From `accepted` to `released`. `version` is the one the caller saw.
         *
         *     Needs the scope `handoffs:write`.
         */
        post: operations["releaseHandoff"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/handoffs/{id}/complete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Complete a hand-off
         * @description From `accepted` to `completed`. `version` is the one the caller saw.
         *
         *     Needs the scope `handoffs:write`.
         */
        post: operations["completeHandoff"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/handoffs/{id}/withdraw": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Withdraw a hand-off
         * @description From `requested`, `offered`, `accepted` to `withdrawn`. `version` is the one the caller saw. The requester, or the customer, does not need it any more.
         *
         *     Needs the scope `handoffs:write`.
         */
        post: operations["withdrawHandoff"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/handoffs/{id}/viewed": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Say that an agent's screen showed the context
         * @description From `accepted` to `accepted`. `version` is the one the caller saw. `version` may be left out.
         *
         *     Needs the scope `handoffs:write`.
         */
        post: operations["viewedHandoff"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/callbacks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List call-backs
         * @description Needs the scope `context:read`.
         */
        get: operations["listCallbacks"];
        put?: never;
        /**
         * Promise a call
         * @description `phone` is where to call and links nothing; whose call-back it is says `identity` or `customer_id`, without either the number. Every step becomes a touchpoint of that customer.
         *
         *     Needs the scope `callbacks:write`.
         */
        post: operations["requestCallback"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/callbacks/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read a call-back
         * @description Needs the scope `context:read`.
         */
        get: operations["readCallback"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/callbacks/{id}/reschedule": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Agree on another time
         * @description Needs the scope `callbacks:write`.
         */
        post: operations["rescheduleCallback"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/callbacks/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cancel a call-back
         * @description Needs the scope `callbacks:write`.
         */
        post: operations["cancelCallback"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List subscriptions
         * @description Needs the scope `webhooks:write`.
         */
        get: operations["listWebhooks"];
        put?: never;
        /**
         * Subscribe to webhooks
         * @description Messages are Standard Webhooks 1.0 with a CloudEvents 1.0 body. `types` may hold `*` for any characters; `channels` and `queues` narrow them. `secret` is `whsec_` and base64 of 24 to 64 bytes; without one, one is made. `signatures` with `v1a` adds ed25519, verified with `public_key`. `include`: `"context"` adds the pinned context. `retry_schedule_s` are the waits between attempts, by default 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400.
         *
         *     `allow_insecure` (http) and `allow_networks` (subnets that are not public) need the scope `admin`; contexts and touchpoint types need `context:read`. A tenant has at most 2000 subscriptions.
         *
         *     Needs the scope `webhooks:write`.
         */
        post: operations["subscribe"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read a subscription
         * @description `status` says how it does: what was delivered, what waits, since when it fails.
         *
         *     Needs the scope `webhooks:write`.
         */
        get: operations["readWebhook"];
        put?: never;
        post?: never;
        /**
         * End a subscription
         * @description What waits for it goes with it.
         *
         *     Needs the scope `webhooks:write`.
         */
        delete: operations["unsubscribe"];
        options?: never;
        head?: never;
        /**
         * Change a subscription, or rotate its secret
         * @description What is given replaces what was; null is the default. With `rotate_secret`, or a `secret`, the old one signs beside the new one for `overlap_s`, 86400 by default and 604800 at most. `enabled`: true sends what has waited.
         *
         *     Needs the scope `webhooks:write`.
         */
        patch: operations["changeWebhook"];
        trace?: never;
    };
    "/v1/webhooks/{id}/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a test message
         * @description A `webhook.test`, signed like any other. Waits 5 seconds for the answer.
         *
         *     Needs the scope `webhooks:write`.
         */
        post: operations["testWebhook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks/{id}/deliveries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List a subscription's messages
         * @description Newest first, with every attempt: status, latency and the first 1 KB of the answer. Kept 30 days.
         *
         *     Needs the scope `webhooks:write`.
         */
        get: operations["listDeliveries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks/{id}/replay": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send messages again
         * @description One by `id`, or all `since` a time, `until` another (default: now); `only_failed` leaves out what was delivered. They keep their ids. At most 10000 a call: `next` is the `since` to go on from. Events are kept 30 days.
         *
         *     Needs the scope `webhooks:write`.
         */
        post: operations["replayWebhook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/customers/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * A customer's touchpoints, live
         * @description Begins with `ready`, then a `touchpoint` for each, in the order in which they come. `reset` says that the context must be read again: they were linked or unlinked, or too much was missed. A stream that is too slow, or that the server cannot tell everything, gets `resume` and ends: come back with the last id.
         *
         *     Needs the scope `context:read`.
         */
        get: operations["watchCustomer"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/queues/{name}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Hand-offs of a queue, live
         * @description Begins with `ready` and what is pending, then a frame for each change: its `event` is the type, such as `handoff.requested`, its data the hand-off. A stream that is too slow, or that the server cannot tell everything, gets `resume` and ends: come back with the last id.
         *
         *     Needs the scope `handoffs:read`.
         */
        get: operations["watchQueue"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/agents/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Hand-offs of an agent, live
         * @description Begins with `ready` and what is pending, then a frame for each change: its `event` is the type, such as `handoff.requested`, its data the hand-off. A stream that is too slow, or that the server cannot tell everything, gets `resume` and ends: come back with the last id.
         *
         *     Needs the scope `handoffs:read`.
         */
        get: operations["watchAgent"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * A short-lived token for one agent's browser
         * @description It has some of the caller's own scopes, by default `context:read`, `handoffs:read`, `handoffs:write`, and lives `ttl_s` seconds, 3600 by default and 86400 at most. The name of the agent has at most 200 characters. A session opens no session.
         *
         *     Needs a token, of any scope.
         */
        post: operations["openSession"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sessions/current": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Who this token is and what it may do
         * @description For a desktop that was given a token: it shows what the token allows and nothing else.
         *
         *     Needs a token, of any scope.
         */
        get: operations["readCurrentSession"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/quarantine": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What could not be read
         * @description Never the content. `code` is what the source's adapter said.
         *
         *     Needs the scope `operate`.
         */
        get: operations["listQuarantine"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/quarantine/{id}/replay": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Read an item again
         * @description 422 `still_malformed` leaves it where it is.
         *
         *     Needs the scope `operate`.
         */
        post: operations["replayQuarantined"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/quarantine/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Let an item go
         * @description Needs the scope `operate`.
         */
        delete: operations["dismissQuarantined"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Whether the process runs
         * @description Says nothing of the store: a restart would not mend that.
         *
         *     Public: needs no token.
         */
        get: operations["health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Whether touchpoints can be acknowledged now
         * @description Public: needs no token.
         */
        get: operations["readiness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * This description
         * @description Public: needs no token.
         */
        get: operations["describe"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/asyncapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The messages that webhooks bring
         * @description Headers, envelope and the schema of each type of event.
         *
         *     Public: needs no token.
         */
        get: operations["describeMessages"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/docs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * This description as a page
         * @description Public: needs no token.
         */
        get: operations["docs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/docs/{asset}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Scripts and styles of the page
         * @description Public: needs no token.
         */
        get: operations["docsAsset"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/panel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * To the agents' desktop
         * @description Public: needs no token.
         */
        get: operations["panelEntry"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/panel/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The agents' desktop
         * @description It asks for a session's token and holds no data by itself.
         *
         *     Public: needs no token.
         */
        get: operations["panel"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/panel/{asset}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Scripts, styles and messages of the desktop
         * @description Public: needs no token.
         */
        get: operations["panelAsset"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * Assurance
         * @description How sure a statement is, strongest first.
         * @enum {unknown}
         */
        Assurance: "claimed" | "inferred" | "verified";
        /**
         * Attempt
         * @description One attempt; `error` where no status came, `next_in_s` the wait that followed.
         */
        Attempt: {
            at: string;
            status: number | null;
            error: string | null;
            latency_ms: number;
            answer: string;
            next_in_s: number | null;
        };
        /**
         * Brief
         * @description The sections in the order in which they are of use; `left_out` counts the lines of each
         *         section that did not fit.
         */
        Brief: {
            why_now: components["schemas"]["BriefLine"][];
            wants: components["schemas"]["BriefLine"][];
            tried: components["schemas"]["BriefLine"][];
            answered: components["schemas"]["BriefLine"][];
            promised: components["schemas"]["BriefLine"][];
            known: components["schemas"]["BriefLine"][];
            feelings: components["schemas"]["BriefLine"][];
            effort: components["schemas"]["Effort"];
            left_out: {
                [key: string]: number;
            };
            summary: components["schemas"]["Summary"] | null;
        };
        /**
         * BriefLine
         * @description One statement of the brief and the touchpoints that prove it.
         *
         *         `count` is how many touchpoints say so; `touchpoints` names the newest of them, oldest first.
         *         `assurance` is that of the least sure among them.
         */
        BriefLine: {
            code: string;
            params: {
                [key: string]: unknown;
            };
            count: number;
            touchpoints: string[];
            /** @enum {string} */
            assurance: "verified" | "claimed" | "inferred";
            text: string;
            candidate?: boolean;
            id?: string;
        };
        /**
         * Callback
         * @description A call-back as clients see it. `status_query` goes into the URL that gets the call's status.
         */
        Callback: {
            id: string;
            state: string;
            version: number;
            customer_id: string;
            phone: string;
            reason: string;
            /** Format: date-time */
            requested_at: string;
            requested_by: string;
            due: string | null;
            attempts: number;
            status_query: string;
        };
        /**
         * CallbackInput
         * @description The body of `POST /v1/callbacks`: whose call-back it is, where to call, why and by when.
         *
         *         `requested_at` is when the customer asked, for systems that tell of it later; now without it.
         */
        CallbackInput: {
            phone: string;
            /** @default  */
            reason?: string;
            /** @default null */
            identity?: string | components["schemas"]["IdentityInput"] | null;
            /** @default null */
            customer_id?: string | null;
            /** @default null */
            due?: string | null;
            /** @default null */
            requested_at?: string | null;
            /** @default {} */
            data?: {
                [key: string]: unknown;
            };
        };
        /**
         * CallbackList
         * @description A page of call-backs, newest first unless asked otherwise.
         */
        CallbackList: {
            callbacks: components["schemas"]["Callback"][];
            total: number;
            returned: number;
            next: string | null;
        };
        /**
         * CancelInput
         * @description The body of `POST /v1/callbacks/{id}/cancel`.
         */
        CancelInput: {
            /** @default null */
            reason?: string | null;
        };
        /**
         * Candidate
         * @description Somebody who may be this customer; nothing of their history is shown before it is confirmed.
         */
        Candidate: {
            customer_id: string;
            identity: string;
            reason: string;
            /** @enum {string} */
            assurance: "verified" | "claimed" | "inferred";
            touchpoints: number;
            links: string[];
        };
        /**
         * CloudEvent
         * @description A CloudEvent 1.0. Members of `data` that are a touchpoint's fields are taken as such, all else is
         *         kept in the touchpoint's `data`. A `subject` such as `email:anna@example.com` is the identity where
         *         `data` names none; a `type` that is no touchpoint type becomes `event.tracked` with its name.
         */
        CloudEvent: {
            data?: unknown;
            datacontenttype?: string;
            id: string;
            source: string;
            specversion: string;
            subject?: string;
            /** Format: date-time */
            time?: string;
            type: string;
        };
        /**
         * Completeness
         * @description `degraded` when something is known to be missing or late, with the sources that are why.
         */
        Completeness: {
            state: string;
            sources: components["schemas"]["SourceState"][];
        };
        /**
         * Conflict
         * @description Evidence that a guard kept from joining two customers.
         */
        Conflict: {
            identity: string;
            other: string;
            reason: string;
            link: string;
        };
        /**
         * Context
         * @description The contract's context. `customer` is null unless the match is `one`.
         */
        Context: {
            match: string;
            match_assurance: string | null;
            as_of: string;
            requested_id: string | null;
            customer: components["schemas"]["Customer"] | null;
            conversations?: components["schemas"]["ConversationSummary"][];
            handoffs?: components["schemas"]["Handoff"][];
            brief?: components["schemas"]["Brief"] | null;
            timeline?: components["schemas"]["Timeline"] | null;
            completeness?: components["schemas"]["Completeness"];
            left_out: components["schemas"]["LeftOut"];
            candidates?: components["schemas"]["Candidate"][];
            question?: string;
        };
        /**
         * ContextInput
         * @description The body of `POST /v1/context`: handles of one person; several narrow an ambiguous one.
         */
        ContextInput: {
            identities: (string | components["schemas"]["SoughtIdentity"])[];
            /**
             * @description Touchpoints at most.
             * @default 50
             */
            limit?: number;
            /** @default null */
            fields?: string[] | null;
            /** @default null */
            min_assurance?: components["schemas"]["Assurance"] | null;
        };
        /**
         * Conversation
         * @description A conversation and its chain. `touchpoints` counts those of the part that was looked at.
         */
        Conversation: {
            id: string;
            customer_id: string;
            state: string;
            subject: string | null;
            channels: string[];
            threads: string[];
            opened_at: string | null;
            last_at: string | null;
            waiting_since: string | null;
            root: string;
            previous: string | null;
            owner: string | null;
            pending: string | null;
            touchpoints: number;
            handoffs: components["schemas"]["Handoff"][];
        };
        /**
         * ConversationSummary
         * @description One conversation of the customer and who owns its chain.
         */
        ConversationSummary: {
            id: string;
            state: string;
            subject: string | null;
            channels: string[];
            /** Format: date-time */
            opened_at: string;
            root: string;
            previous: string | null;
            owner: string | null;
            waiting_since: string | null;
        };
        /**
         * Current
         * @description Who a token is: `agent` where it is bound to one, `name` of the configured token behind it.
         */
        Current: {
            agent: string | null;
            name: string;
            scopes: string[];
        };
        /**
         * Customer
         * @description Who it is, as far as the evidence goes.
         */
        Customer: {
            id: string;
            identities: components["schemas"]["Identity"][];
            traits: {
                [key: string]: unknown;
            };
            candidates: components["schemas"]["Candidate"][];
            conflicts: components["schemas"]["Conflict"][];
            shared: boolean;
        };
        /**
         * Delivery
         * @description One message of a subscription; `id` is its `webhook-id`, the same over all attempts.
         */
        Delivery: {
            id: string;
            type: string;
            state: string;
            /** Format: date-time */
            created_at: string;
            next_attempt_at: string | null;
            deadline: string | null;
            attempts: components["schemas"]["Attempt"][];
            attempts_total: number;
            reason: string | null;
            superseded_by: string | null;
            supersedes: string[];
        };
        /**
         * DeliveryList
         * @description A page of a subscription's messages, newest first.
         */
        DeliveryList: {
            deliveries: components["schemas"]["Delivery"][];
            total: number;
            returned: number;
            next: string | null;
        };
        /**
         * Desktop
         * @description The desktop that a subscription writes to: whose threads are its conversations.
         *
         *         `source` is the name that touchpoints of these threads carry; `account` the vendor's, where it
         *         has several.
         */
        Desktop: {
            /** @enum {unknown} */
            kind: "chatwoot.note" | "zendesk.comment";
            source: string;
            account: string | null;
        };
        /**
         * Direction
         * @description Seen from the business.
         * @enum {unknown}
         */
        Direction: "inbound" | "internal" | "outbound";
        /**
         * Effort
         * @description What it has cost the customer so far; times in RFC 3339, waiting in whole minutes.
         *
         *         A contact is a stretch of what the customer did in one conversation without a long pause: five
         *         chat messages in a row are one. `repeated` counts what they had to say again in the same words.
         */
        Effort: {
            contacts: number;
            channels: string[];
            switches: number;
            transfers: number;
            repeated: number;
            since: string | null;
            waiting_since: string | null;
            waiting_minutes: number;
            talks: number;
            talked_seconds: number;
            text: string;
        };
        /**
         * Export
         * @description A customer's export: with all touchpoints, oldest first, but those `below_min_assurance`.
         */
        Export: {
            /** Format: date-time */
            exported_at: string;
            requested_id: string;
            customer: components["schemas"]["Customer"];
            links: components["schemas"]["Link"][];
            handoffs: components["schemas"]["Handoff"][];
            touchpoints: components["schemas"]["Touchpoint"][];
            returned: number;
            below_min_assurance: number;
        };
        /**
         * Fallback
         * @description Who is asked after a decline or a missed deadline, and how long.
         */
        Fallback: {
            /** @default null */
            channel?: string | null;
            /** @default null */
            party?: string | null;
            /** @default null */
            queue?: string | null;
            /** @default null */
            agent?: string | null;
            /** @default null */
            deadline_s?: number | null;
        };
        /**
         * FallbackInput
         * @description Who is asked when the step before is declined or runs out, and for how long.
         */
        FallbackInput: {
            /** @default null */
            channel?: string | null;
            /** @default null */
            party?: string | null;
            /** @default null */
            queue?: string | null;
            /** @default null */
            agent?: string | null;
            /** @default null */
            deadline_s?: number | null;
        };
        /**
         * Forecast
         * @description What a change would do (`dry_run`) or did: the customers before and after it.
         */
        Forecast: {
            dry_run: boolean;
            before: components["schemas"]["Part"][];
            after: components["schemas"]["Part"][];
            conflicts: string[];
            id: string | null;
            withdrawn: string[];
        };
        /**
         * Handoff
         * @description A hand-off as the contract shows it. `owner` owns the conversation now.
         */
        Handoff: {
            id: string;
            state: string;
            version: number;
            owner: string | null;
            customer_id: string;
            conversation_id: string;
            root: string;
            from: components["schemas"]["Party"];
            to: components["schemas"]["Party"];
            reason: string;
            /** Format: date-time */
            requested_at: string;
            requested_by: string;
            /** Format: date-time */
            deadline: string;
            offer_until: string | null;
            snapshot: components["schemas"]["Snapshot"] | null;
            hops: components["schemas"]["Hop"][];
            fallback: components["schemas"]["Fallback"][];
            fallback_used: number;
            history: components["schemas"]["Step"][];
            context: unknown;
            viewed_at: string | null;
            viewed_by: string | null;
            snapshots: components["schemas"]["Snapshot"][];
        };
        /**
         * HandoffInput
         * @description The body of `POST /v1/handoffs`.
         */
        HandoffInput: {
            to: components["schemas"]["PartyInput"];
            reason: string;
            from?: components["schemas"]["PartyInput"];
            /** @default null */
            identity?: string | components["schemas"]["IdentityInput"] | null;
            /** @default null */
            customer_id?: string | null;
            /** @default null */
            conversation_id?: string | null;
            /**
             * @description Whatever the next party should have; any JSON.
             * @default null
             */
            context?: unknown;
            /** @default 86400 */
            deadline_s?: number;
            /**
             * @description Where to turn when nobody takes it, step by step.
             * @default []
             */
            fallback?: components["schemas"]["FallbackInput"][];
        };
        /**
         * HandoffList
         * @description A page of hand-offs, newest first unless asked otherwise. Where filters combine `total` is null and
         *         `scanned_to` says how far was looked.
         */
        HandoffList: {
            handoffs: components["schemas"]["Handoff"][];
            total: number | null;
            returned: number;
            next: string | null;
            scanned_to: string | null;
        };
        /**
         * Health
         * @description The process runs.
         */
        Health: {
            status: string;
            version: string;
        };
        /**
         * Hop
         * @description An earlier hand-off of the chain; `waited_s` from its request to its answer.
         */
        Hop: {
            id: string;
            from: components["schemas"]["Party"];
            to: components["schemas"]["Party"];
            reason: string;
            outcome: string;
            /** Format: date-time */
            requested_at: string;
            /** Format: date-time */
            ended_at: string;
            waited_s: number;
            agent: string | null;
        };
        /**
         * Identity
         * @description An identity of a customer: how sure, by which statement, since when.
         */
        Identity: {
            type: string;
            space: string;
            value: string;
            /** @enum {string} */
            assurance: "verified" | "claimed" | "inferred";
            via: string;
            /** Format: date-time */
            since: string;
        };
        /**
         * IdentityInput
         * @description An identity as an object; the same as `type@space:value` with an assurance.
         */
        IdentityInput: {
            type: string;
            value: string;
            /**
             * @description Dropped for `email` and `phone`, which are global in a tenant.
             * @default
             */
            space?: string;
            /** @default null */
            assurance?: components["schemas"]["Assurance"] | null;
        };
        /**
         * LeftOut
         * @description What this answer does not hold, and where it is: nothing is cut silently.
         */
        LeftOut: {
            /** @default null */
            touchpoints?: number | null;
            /** @default null */
            timeline_next?: string | null;
            /** @default null */
            below_min_assurance?: number | null;
            /** @default null */
            brief_older_than?: string | null;
            /** @default null */
            late?: string[] | null;
            /** @default null */
            conversations?: number | null;
            /** @default null */
            handoffs?: number | null;
            /** @default null */
            candidates?: number | null;
            /** @default null */
            fields?: string[] | null;
        };
        /**
         * Link
         * @description A piece of evidence. `effective`: it stands and joins, or keeps apart, as of now.
         */
        Link: {
            id: string;
            identities: string[];
            statement: string;
            /** @enum {string} */
            assurance: "verified" | "claimed" | "inferred";
            by: string;
            source: string;
            /** Format: date-time */
            recorded_at: string;
            why: string;
            withdrawn: components["schemas"]["Withdrawal"] | null;
            effective: boolean;
            from_identities: string[] | null;
        };
        /**
         * LinkInput
         * @description The body of `POST …/links`: `identity` is this customer's, says the agent.
         */
        LinkInput: {
            identity: string | components["schemas"]["IdentityInput"];
            reason: string;
            /** @default verified */
            assurance?: components["schemas"]["Assurance"];
        };
        /**
         * LinkList
         * @description All evidence about a customer, oldest first.
         */
        LinkList: {
            customer_id: string;
            links: components["schemas"]["Link"][];
        };
        /**
         * MoveInput
         * @description The body of a transition; `version` is the one the caller saw (`viewed` changes nothing that
         *         another could have changed, and needs none).
         */
        MoveInput: {
            /** @default null */
            version?: number | null;
            /** @default null */
            agent?: string | null;
            /** @default null */
            reason?: string | null;
            /** @default null */
            deadline_s?: number | null;
        };
        /**
         * Part
         * @description One customer before or after a change.
         */
        Part: {
            customer_id: string;
            identities: string[];
            touchpoints: number;
        };
        /**
         * Participant
         * @description Another person in a touchpoint.
         */
        Participant: {
            type: string;
            space: string;
            value: string;
            role: string;
        };
        /**
         * ParticipantInput
         * @description Another person in the touchpoint.
         */
        ParticipantInput: {
            type: string;
            value: string;
            /** @default participant */
            role?: string;
            /** @default  */
            space?: string;
        };
        /**
         * Party
         * @description One side of a hand-off.
         */
        Party: {
            /** @default null */
            channel?: string | null;
            /** @default null */
            party?: string | null;
            /** @default null */
            queue?: string | null;
            /** @default null */
            agent?: string | null;
        };
        /**
         * PartyInput
         * @description One side of a hand-off.
         */
        PartyInput: {
            /** @default null */
            channel?: string | null;
            /** @default null */
            party?: string | null;
            /** @default null */
            queue?: string | null;
            /** @default null */
            agent?: string | null;
        };
        /**
         * QuarantineList
         * @description A page of quarantined items, newest first unless asked otherwise.
         */
        QuarantineList: {
            items: components["schemas"]["QuarantinedItem"][];
            total: number;
            returned: number;
            next: string | null;
        };
        /**
         * QuarantinedItem
         * @description What operators see: never the content, which may hold anything.
         */
        QuarantinedItem: {
            id: string;
            source: string;
            /** Format: date-time */
            received_at: string;
            code: string;
            detail: string;
            size: number;
        };
        /**
         * Readiness
         * @description Touchpoints can be acknowledged.
         */
        Readiness: {
            status: string;
        };
        /**
         * Recorded
         * @description The answer of `POST /v1/touchpoints`. `ids` has an entry per touchpoint, null where rejected.
         */
        Recorded: {
            accepted: number;
            duplicates: number;
            rejected: components["schemas"]["Rejected"][];
            ids: (string | null)[];
            expired: number;
        };
        /**
         * RecordedLines
         * @description One line of the answer to NDJSON: the touchpoints of the lines before `through`, all durable.
         *
         *         `index` counts lines of the request from 0, empty ones included, so that an import goes on at
         *         line `through` after it was cut off.
         */
        RecordedLines: {
            accepted: number;
            duplicates: number;
            rejected: components["schemas"]["Rejected"][];
            ids: (string | null)[];
            through: number;
            expired: number;
        };
        /**
         * Rejected
         * @description One touchpoint that was not stored, by its place in the request.
         */
        Rejected: {
            index: number;
            code: string;
            detail: string;
            /** @default null */
            id?: string | null;
            /** @default null */
            errors?: {
                [key: string]: string;
            }[] | null;
        };
        /**
         * ReplayInput
         * @description The body of a replay: one message by `id`, or all from `since` to `until` (default: now).
         */
        ReplayInput: {
            /** @default null */
            id?: string | null;
            /** @default null */
            since?: string | null;
            /** @default null */
            until?: string | null;
            /** @default false */
            only_failed?: boolean;
        };
        /**
         * ReplayOutcome
         * @description What became of a delivery: everything counted is durable when the adapter answers.
         */
        ReplayOutcome: {
            accepted: number;
            duplicates: number;
            expired: number;
            quarantined: number;
            ignored: number;
        };
        /**
         * Replayed
         * @description What a replay queued; `next` is the time to go on from, where there was more.
         */
        Replayed: {
            queued: number;
            next: string | null;
        };
        /**
         * RescheduleInput
         * @description The body of `POST /v1/callbacks/{id}/reschedule`.
         */
        RescheduleInput: {
            /** Format: date-time */
            due: string;
            /** @default null */
            reason?: string | null;
        };
        /**
         * Session
         * @description A session. The token is shown this once.
         */
        Session: {
            token: string;
            agent: string;
            scopes: string[];
            /** Format: date-time */
            expires_at: string;
        };
        /**
         * SessionInput
         * @description The body of `POST /v1/sessions`: for whom, with which of the caller's scopes, how long.
         */
        SessionInput: {
            agent: string;
            scopes?: string[];
            /** @default 3600 */
            ttl_s?: number;
        };
        /**
         * Shared
         * @description An identity and whether it is marked as several people's.
         */
        Shared: {
            identity: string;
            shared: boolean;
        };
        /**
         * SharedInput
         * @description The body of `POST /v1/identities/shared`.
         */
        SharedInput: {
            identity: string | components["schemas"]["IdentityInput"];
            reason: string;
            /** @default true */
            shared?: boolean;
        };
        /**
         * Snapshot
         * @description A pinned context: `sha256` is over exactly the bytes that `/snapshot` returns.
         */
        Snapshot: {
            id: string;
            sha256: string;
            at: string;
            rules: number;
        };
        /**
         * SnapshotList
         * @description What was pinned of a hand-off, oldest first.
         */
        SnapshotList: {
            snapshots: components["schemas"]["Snapshot"][];
        };
        /**
         * SoughtIdentity
         * @description An identity to look for. A `space`, also an empty one, means exactly the identity in it; without
         *         one, the spaces of the tenant's sources are looked in too. `assurance` says nothing in a look-up.
         */
        SoughtIdentity: {
            type: string;
            value: string;
            space?: string;
            /** @default null */
            assurance?: components["schemas"]["Assurance"] | null;
        };
        /**
         * SourceState
         * @description One source of the tenant as of now; `behind_s` is how late its newest delivery was recorded.
         */
        SourceState: {
            name: string;
            last_seen: string | null;
            behind_s: number;
            spooled: number;
            quarantined: number;
        };
        /**
         * SplitInput
         * @description The body of `POST …/split`: these identities are somebody else's.
         */
        SplitInput: {
            identities: (string | components["schemas"]["IdentityInput"])[];
            reason: string;
        };
        /**
         * Status
         * @description How a subscription does; totals since it was made.
         */
        Status: {
            delivered: number;
            retried: number;
            dead: number;
            superseded: number;
            pending: number;
            oldest_pending_at: string | null;
            failures_in_a_row: number;
            failing_since: string | null;
            paused_until: string | null;
            last_success_at: string | null;
        };
        /**
         * Step
         * @description One change of a hand-off.
         */
        Step: {
            state: string;
            at: string;
            by: string;
            reason: string | null;
        };
        /**
         * Summary
         * @description What a plugged-in summariser made of the brief, and its name. Not a rule's statement: no
         *         touchpoint proves it.
         */
        Summary: {
            text: string;
            by: string;
            machine_made: boolean;
        };
        /**
         * Timeline
         * @description A page of a timeline. `next` goes on behind it; `total` is null where a filter was used.
         */
        Timeline: {
            touchpoints: components["schemas"]["Touchpoint"][];
            total: number | null;
            returned: number;
            next: string | null;
            scanned_to: string | null;
        };
        /**
         * Touchpoint
         * @description One touchpoint of a timeline. `late`: it came after something that happened later.
         */
        Touchpoint: {
            id: string;
            channel: string;
            medium: string | null;
            source: string;
            type: string;
            /** @enum {string} */
            direction: "inbound" | "outbound" | "internal";
            /** @enum {string} */
            visibility: "public" | "internal";
            /** @enum {string} */
            assurance: "verified" | "claimed" | "inferred";
            /** Format: date-time */
            occurred_at: string;
            /** Format: date-time */
            recorded_at: string;
            late: boolean;
            identity: string;
            thread: string | null;
            conversation_id: string;
            actor: {
                [key: string]: unknown;
            } | null;
            subject: string | null;
            text: string | null;
            language: string | null;
            attachments: {
                [key: string]: unknown;
            }[];
            data: {
                [key: string]: unknown;
            };
            amends: string | null;
            participants: components["schemas"]["Participant"][];
            traits: {
                [key: string]: unknown;
            };
            seq: number | null;
            amended_by: string | null;
            deleted: boolean;
            participant_of: components["schemas"]["Participant"] | null;
        };
        /**
         * TouchpointInput
         * @description The body of `POST /v1/touchpoints`: one touchpoint in the sender's own words.
         */
        TouchpointInput: {
            /** @description The sender's own id of the event, for ever. */
            id: string;
            /** @description web, chat, phone, email, or one that the configuration declares. */
            channel: string;
            /** @enum {string} */
            type: "page.viewed" | "article.viewed" | "search.performed" | "form.submitted" | "form.failed" | "event.tracked" | "identified" | "message.received" | "message.sent" | "message.edited" | "message.deleted" | "message.delivered" | "message.read" | "message.failed" | "email.received" | "email.sent" | "email.bounced" | "email.auto_replied" | "callback.requested" | "callback.scheduled" | "callback.rescheduled" | "callback.due" | "callback.attempted" | "callback.completed" | "callback.missed" | "callback.cancelled" | "callback.overdue" | "callback.given_up" | "call.started" | "call.ended" | "conversation.opened" | "conversation.resolved" | "conversation.reopened" | "handoff.requested" | "handoff.offered" | "handoff.accepted" | "handoff.viewed" | "handoff.declined" | "handoff.expired" | "handoff.released" | "handoff.transferred" | "handoff.completed" | "handoff.withdrawn" | "handoff.failed" | "context.changed" | "identity.linked" | "identity.unlinked" | "note.added" | "survey.answered" | "promise.made" | "promise.kept" | "promise.broken" | "complaint.opened" | "complaint.resolved" | "brief.line_wrong";
            /**
             * Format: date-time
             * @description When it happened, with a zone.
             */
            occurred_at: string;
            /** @description Handles of one person, as `type:value`, `type@space:value` or objects; the only source of links. Without an assurance `email` and `phone` are claimed, the others verified. */
            identities: (string | components["schemas"]["IdentityInput"])[];
            /** @default [] */
            participants?: components["schemas"]["ParticipantInput"][];
            /** @default null */
            direction?: components["schemas"]["Direction"] | null;
            /** @default null */
            visibility?: components["schemas"]["Visibility"] | null;
            /** @default null */
            subject?: string | null;
            /** @default null */
            text?: string | null;
            /** @default null */
            language?: string | null;
            /** @default null */
            medium?: string | null;
            /** @default [] */
            attachments?: {
                [key: string]: unknown;
            }[];
            /**
             * @description The source's own sequence: decides between equal times.
             * @default null
             */
            seq?: number | null;
            /** @default null */
            thread?: string | null;
            /**
             * @description The touchpoint that this edits: its id here, or the sender's own.
             * @default null
             */
            amends?: string | null;
            /**
             * @description Who did it, as an object or `type:id`, such as `bot:helper`.
             * @default null
             */
            actor?: {
                [key: string]: unknown;
            } | string | null;
            /** @default {} */
            data?: {
                [key: string]: unknown;
            };
            /**
             * @description The token's name by default.
             * @default null
             */
            source?: string | null;
        };
        /**
         * Vcon
         * @description A conversation (§4.1). `uuid` is the same however often it is exported.
         */
        Vcon: {
            vcon: string;
            uuid: string;
            /** Format: date-time */
            created_at: string;
            parties: components["schemas"]["VconParty"][];
            dialog: components["schemas"]["VconDialog"][];
            attachments: components["schemas"]["VconAttachment"][];
            /** @default null */
            updated_at?: string | null;
            /** @default null */
            subject?: string | null;
            /** @default null */
            redacted?: components["schemas"]["VconRedacted"] | null;
        };
        /**
         * VconAttachment
         * @description What is known of a file (§4.4). Its content is not held here, and a link without a hash of what
         *         is behind it may not stand in a vCon (§2.4).
         */
        VconAttachment: {
            start: string;
            party: number;
            dialog: number;
            /** @default null */
            mediatype?: string | null;
            /** @default null */
            filename?: string | null;
        };
        /**
         * VconDialog
         * @description A piece of dialog (§4.3). The first of `parties` is its originator (§4.3.4).
         *
         *         A call whose recording we do not hold is a `recording` without content; a deleted message a `text`
         *         without a body.
         */
        VconDialog: {
            type: string;
            start: string;
            parties: number[];
            /** @default null */
            duration?: number | null;
            /** @default null */
            mediatype?: string | null;
            /** @default null */
            body?: string | null;
            /** @default null */
            encoding?: string | null;
            /** @default null */
            disposition?: string | null;
            /** @default null */
            application?: string | null;
            /** @default null */
            message_id?: string | null;
        };
        /**
         * VconParty
         * @description A party (§4.2). `validation` is how sure the handle is, in our words.
         */
        VconParty: {
            /** @default null */
            tel?: string | null;
            /** @default null */
            mailto?: string | null;
            /** @default null */
            name?: string | null;
            /** @default null */
            validation?: string | null;
            /** @default null */
            type?: string | null;
        };
        /**
         * VconRedacted
         * @description Why parts are gone (§4.1.8.1); without a uuid: no fuller version exists.
         */
        VconRedacted: {
            type: string;
        };
        /**
         * Visibility
         * @description Whether the customer may see it.
         * @enum {unknown}
         */
        Visibility: "internal" | "public";
        /**
         * Webhook
         * @description A subscription. `secret` is there only in the answer that made it; `headers` are names only;
         *         `connector` says where notes go, null for webhooks.
         */
        Webhook: {
            id: string;
            url: string;
            types: string[];
            name: string | null;
            include: string | null;
            channels: string[];
            queues: string[];
            headers: string[];
            connector: components["schemas"]["Desktop"] | null;
            rate_per_s: number | null;
            signatures: string[];
            public_key: string | null;
            allow_insecure: boolean;
            allow_networks: string[];
            retry_schedule_s: number[];
            enabled: boolean;
            disabled_reason: string | null;
            disabled_at: string | null;
            origin: string;
            /** Format: date-time */
            created_at: string;
            version: number;
            old_secrets_until: string[];
            status: components["schemas"]["Status"];
            secret?: string;
        };
        /**
         * WebhookInput
         * @description The body of `POST /v1/webhooks`.
         */
        WebhookInput: {
            url: string;
            types?: string[];
            /** @default null */
            secret?: string | null;
            /** @default null */
            name?: string | null;
            /** @default null */
            include?: "context" | null;
            /** @default [] */
            channels?: string[];
            /** @default [] */
            queues?: string[];
            /** @default {} */
            headers?: {
                [key: string]: string;
            };
            /** @default null */
            rate_per_s?: number | null;
            signatures?: ("v1" | "v1a")[];
            /** @default false */
            allow_insecure?: boolean;
            /** @default [] */
            allow_networks?: string[];
            /** @default null */
            retry_schedule_s?: number[] | null;
        };
        /**
         * WebhookList
         * @description A page of subscriptions, newest first unless asked otherwise.
         */
        WebhookList: {
            webhooks: components["schemas"]["Webhook"][];
            total: number;
            returned: number;
            next: string | null;
        };
        /**
         * WebhookPatch
         * @description The body of `PATCH /v1/webhooks/{id}`: what is given replaces what was, null is the default.
         *
         *         `secret` or `rotate_secret` give it a new secret; the old one signs beside it for `overlap_s`.
         */
        WebhookPatch: {
            url?: string;
            types?: string[];
            name?: string | null;
            include?: "context" | null;
            channels?: string[];
            queues?: string[];
            headers?: {
                [key: string]: string;
            };
            rate_per_s?: number | null;
            signatures?: ("v1" | "v1a")[];
            allow_insecure?: boolean;
            allow_networks?: string[];
            retry_schedule_s?: number[] | null;
            enabled?: boolean;
            secret?: string;
            /** @default false */
            rotate_secret?: boolean;
            /** @default 86400 */
            overlap_s?: number;
        };
        /**
         * WithdrawInput
         * @description The body of `POST …/links/{link}/withdraw`.
         */
        WithdrawInput: {
            reason: string;
        };
        /**
         * Withdrawal
         * @description Who took a piece of evidence back, when and why.
         */
        Withdrawal: {
            who: string;
            at: string;
            why: string;
        };
        /** @description An RFC 9457 problem document. */
        Problem: {
            /** Format: uri */
            type: string;
            /** @enum {string} */
            title: "Error" | "The current state does not allow this" | "The media type is not supported" | "The method is not allowed here" | "The outcome is unknown, send the same again" | "The request breaks a rule" | "The request cannot be read" | "The request is too large" | "The server made a mistake" | "The token does not allow this" | "There is no such thing" | "Who is calling is not proved";
            status: number;
            /** @description For people; may change. */
            detail: string;
            code: components["schemas"]["ProblemCode"];
            errors?: components["schemas"]["ProblemPlace"][];
            /** @description With 409: what it is now, a resource or an id. */
            current?: unknown;
        };
        /** @description One place in the request (a JSON pointer, RFC 6901) and what is wrong there. */
        ProblemPlace: {
            pointer: string;
            detail: string;
        };
        /**
         * @description - `all_rejected`: No touchpoint of the batch was stored; `rejected` says why of each.
         *     - `ambiguous_identity`: Several customers answer to the identity: name one by `customer_id`.
         *     - `bad_request`: The request is not HTTP as it should be.
         *     - `blocked_identity`: The only identity is one that many senders write for nobody.
         *     - `busy_callback`: Others change the call-back at the same time: send the same again.
         *     - `busy_conversation`: Others change the conversation at the same time: send the same again.
         *     - `busy_webhook`: Others change the subscription at the same time: send the same again.
         *     - `chains_differ`: Both conversations have a history of hand-offs and cannot be one chain.
         *     - `configured`: It stands in the configuration: change it there.
         *     - `conflict`: The current state does not allow this; `current` shows it.
         *     - `customer_merged`: The id is a former one; `current` is the current id.
         *     - `due_in_the_past`: A call-back is due in the future.
         *     - `empty`: There is nothing in the request.
         *     - `error`: The server made a mistake; it is in its log under the request id.
         *     - `forbidden`: The token does not allow this.
         *     - `forbidden_address`: The address is not one that outgoing requests may go to.
         *     - `guard_refused`: The link would make two logins, or two who were told apart, one customer.
         *     - `handoff_expired`: The hand-off is past its deadline; it is under `current`.
         *     - `handoff_pending`: Another hand-off of the conversation is pending; it is under `current`.
         *     - `http_error`: Another error of HTTP; `status` says which.
         *     - `id_reused`: The id was used for other content; the stored touchpoint stays (`id`).
         *     - `idempotency_key_reused`: The Idempotency-Key was used for another request.
         *     - `idempotency_key_running`: The first request with this Idempotency-Key is still running.
         *     - `illegal_transition`: The state does not allow this move; what it is now is under `current`.
         *     - `internal`: The server made a mistake; it is in its log under the request id.
         *     - `invalid`: A value breaks a rule; `errors` says where.
         *     - `invalid_cursor`: The cursor is none of this list's.
         *     - `invalid_encoding`: The body does not have the encoding that it says.
         *     - `invalid_idempotency_key`: The Idempotency-Key is empty or too long.
         *     - `invalid_identity`: The identity cannot be normalised.
         *     - `invalid_json`: The body is not JSON.
         *     - `invalid_network`: The network is not written as one, such as `10.1.0.0/16`.
         *     - `invalid_parameter`: A parameter is out of range; `parameter` names it.
         *     - `invalid_payload`: The bytes cannot be read.
         *     - `invalid_secret`: The secret is none that can sign.
         *     - `invalid_time`: A time is RFC 3339 with a zone.
         *     - `invalid_url`: The URL is none that a webhook may go to.
         *     - `method_not_allowed`: The path has other methods; `Allow` lists them.
         *     - `missing_scope`: The token lacks a scope; `scope` names it.
         *     - `not_found`: There is no such thing, or it belongs to another tenant.
         *     - `not_ready`: Touchpoints cannot be acknowledged now; `reason` says why.
         *     - `not_replicated`: Fewer replicas answered than the configuration asks for: send the same again.
         *     - `not_theirs`: Not all of the identities are this customer's; `identities` names the others.
         *     - `nothing_to_split`: A split leaves identities on both sides, and not too many.
         *     - `other_agent`: The session belongs to another agent.
         *     - `other_tenant`: The token belongs to another tenant.
         *     - `overloaded`: Too much is in flight: send the same again later.
         *     - `reference_never_joins`: A reference finds customers and never joins them.
         *     - `rejected`: The touchpoint was refused; `detail` says why.
         *     - `session_not_allowed`: A session opens no session.
         *     - `signature_refused`: The sender could not prove who it is.
         *     - `stale_version`: The version is not the current one; what it is now is under `current`.
         *     - `still_malformed`: The item still cannot be read and stays in quarantine.
         *     - `store_unavailable`: The outcome is unknown, the store did not confirm in time: send it again.
         *     - `too_large`: The request or a line of it is larger than allowed.
         *     - `too_long`: The timeline is longer than one export reads.
         *     - `too_many`: There are as many as there may be.
         *     - `touchpoint_too_large`: The touchpoint is larger than allowed.
         *     - `unauthenticated`: A bearer token is missing, unknown or expired.
         *     - `unknown_channel`: The channel is neither built in nor declared in the configuration.
         *     - `unknown_scope`: There is no such scope.
         *     - `unknown_tenant`: There is no such tenant.
         *     - `unknown_type`: There is no such touchpoint type.
         *     - `unsupported_media_type`: The content type or encoding is not one that this resource takes.
         *     - `unsupported_specversion`: Only CloudEvents 1.0 are read.
         *     - `webhook_disabled`: The subscription is disabled: enable it first.
         * @enum {string}
         */
        ProblemCode: "all_rejected" | "ambiguous_identity" | "bad_request" | "blocked_identity" | "busy_callback" | "busy_conversation" | "busy_webhook" | "chains_differ" | "configured" | "conflict" | "customer_merged" | "due_in_the_past" | "empty" | "error" | "forbidden" | "forbidden_address" | "guard_refused" | "handoff_expired" | "handoff_pending" | "http_error" | "id_reused" | "idempotency_key_reused" | "idempotency_key_running" | "illegal_transition" | "internal" | "invalid" | "invalid_cursor" | "invalid_encoding" | "invalid_idempotency_key" | "invalid_identity" | "invalid_json" | "invalid_network" | "invalid_parameter" | "invalid_payload" | "invalid_secret" | "invalid_time" | "invalid_url" | "method_not_allowed" | "missing_scope" | "not_found" | "not_ready" | "not_replicated" | "not_theirs" | "nothing_to_split" | "other_agent" | "other_tenant" | "overloaded" | "reference_never_joins" | "rejected" | "session_not_allowed" | "signature_refused" | "stale_version" | "still_malformed" | "store_unavailable" | "too_large" | "too_long" | "too_many" | "touchpoint_too_large" | "unauthenticated" | "unknown_channel" | "unknown_scope" | "unknown_tenant" | "unknown_type" | "unsupported_media_type" | "unsupported_specversion" | "webhook_disabled";
    };
    responses: {
        /** @description The body cannot be read. */
        Problem400: {
            headers: {
                "Handoff-Request-Id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The bearer token is missing, unknown or expired. */
        Problem401: {
            headers: {
                "Handoff-Request-Id": components["headers"]["RequestId"];
                /** @description `Bearer`. */
                "WWW-Authenticate"?: string;
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The token lacks the scope, or belongs to another tenant or agent. */
        Problem403: {
            headers: {
                "Handoff-Request-Id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description There is no such thing, or it belongs to another tenant. */
        Problem404: {
            headers: {
                "Handoff-Request-Id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The current state does not allow this. */
        Problem409: {
            headers: {
                "Handoff-Request-Id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The request is larger than allowed. */
        Problem413: {
            headers: {
                "Handoff-Request-Id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The content type or encoding is not taken here. */
        Problem415: {
            headers: {
                "Handoff-Request-Id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description A value breaks a rule; `errors` points at it. */
        Problem422: {
            headers: {
                "Handoff-Request-Id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The outcome is unknown: wait for `Retry-After` and send exactly the same again. */
        Problem503: {
            headers: {
                "Handoff-Request-Id": components["headers"]["RequestId"];
                "Retry-After": components["headers"]["RetryAfter"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
    };
    parameters: {
        /** @description Another tenant than the token's; needs `admin`. */
        Tenant: string;
        /** @description The first answer to this key is given again, with `Idempotent-Replayed: true`, for 7 days. With other content 422, while the first one runs 409. */
        IdempotencyKey: string;
    };
    requestBodies: never;
    headers: {
        /** @description Names this request in the server's log. */
        RequestId: string;
        /** @description Seconds to wait. */
        RetryAfter: number;
    };
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    recordTouchpoints: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
                /** @description The first answer to this key is given again, with `Idempotent-Replayed: true`, for 7 days. With other content 422, while the first one runs 409. */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        /** @description For NDJSON the schema is that of one line. */
        requestBody: {
            content: {
                "application/json": components["schemas"]["TouchpointInput"][] | components["schemas"]["TouchpointInput"];
                "application/x-ndjson": components["schemas"]["TouchpointInput"];
                "application/cloudevents+json": components["schemas"]["CloudEvent"];
                "application/cloudevents-batch+json": components["schemas"]["CloudEvent"][];
            };
        };
        responses: {
            /** @description All of them are stored. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Recorded"];
                    "application/x-ndjson": components["schemas"]["RecordedLines"];
                };
            };
            /** @description Some of the batch were rejected, the others are stored. */
            207: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Recorded"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    readTouchpoint: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The touchpoint's id, from `ids` or a timeline. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The touchpoint. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Touchpoint"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            503: components["responses"]["Problem503"];
        };
    };
    lookUpByQuery: {
        parameters: {
            query: {
                /** @description `type:value` or `type@space:value`, given 1 to 20 times: several narrow an ambiguous one. A space before a phone number is read as `+`. */
                identity: string[];
                /** @description How many at most. */
                limit?: number;
                /** @description Only these members of the context, separated by commas; who it is and `left_out` always stay. */
                fields?: string;
                /** @description Leave out what is less sure. The default is the token's: `inferred`, for customer-facing tokens `verified`. */
                min_assurance?: "verified" | "claimed" | "inferred";
            };
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The context. */
            200: {
                headers: {
                    /** @description Weak: over everything but the minutes waited and when sources were last heard. `If-None-Match` with it is answered 304. */
                    ETag?: string;
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Context"];
                };
            };
            /** @description What the caller has is still right. */
            304: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    lookUp: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ContextInput"];
            };
        };
        responses: {
            /** @description The context. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Context"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    readCustomerContext: {
        parameters: {
            query?: {
                /** @description How many at most. */
                limit?: number;
                /** @description Only these members of the context, separated by commas; who it is and `left_out` always stay. */
                fields?: string;
                /** @description Leave out what is less sure. The default is the token's: `inferred`, for customer-facing tokens `verified`. */
                min_assurance?: "verified" | "claimed" | "inferred";
            };
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description A customer's id. A former one reads as well; changes through it are 409 `customer_merged`. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The context. */
            200: {
                headers: {
                    /** @description Weak: over everything but the minutes waited and when sources were last heard. `If-None-Match` with it is answered 304. */
                    ETag?: string;
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Context"];
                };
            };
            /** @description What the caller has is still right. */
            304: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    readTimeline: {
        parameters: {
            query?: {
                /** @description How many at most. */
                limit?: number;
                /** @description `next` of the page before, as it came. */
                cursor?: string;
                /** @description Newest first unless `asc`. */
                order?: "asc" | "desc";
                /** @description A cursor or an RFC 3339 time; that place itself is not included. */
                before?: string;
                /** @description A cursor or an RFC 3339 time; that place itself is not included. */
                after?: string;
                /** @description Only these channels, separated by commas. */
                channel?: string;
                /** @description Only these touchpoint types, separated by commas. */
                type?: string;
                /** @description Leave out what is less sure. The default is the token's: `inferred`, for customer-facing tokens `verified`. */
                min_assurance?: "verified" | "claimed" | "inferred";
            };
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description A customer's id. A former one reads as well; changes through it are 409 `customer_merged`. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Timeline"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    exportCustomer: {
        parameters: {
            query?: {
                /** @description In which form. */
                format?: "json" | "vcon";
                /** @description `true`: vCons with internal notes, which the customer never saw. */
                internal?: boolean;
                /** @description Leave out what is less sure. The default is the token's: `inferred`, for customer-facing tokens `verified`. */
                min_assurance?: "verified" | "claimed" | "inferred";
            };
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description A customer's id. A former one reads as well; changes through it are 409 `customer_merged`. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The export. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Vcon"][] | components["schemas"]["Export"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    listLinks: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description A customer's id. A former one reads as well; changes through it are 409 `customer_merged`. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The evidence. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LinkList"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            503: components["responses"]["Problem503"];
        };
    };
    createLink: {
        parameters: {
            query?: {
                /** @description `true`: say what would happen and change nothing. */
                dry_run?: boolean;
            };
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
                /** @description The first answer to this key is given again, with `Idempotent-Replayed: true`, for 7 days. With other content 422, while the first one runs 409. */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path: {
                /** @description A customer's id. A former one reads as well; changes through it are 409 `customer_merged`. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["LinkInput"];
            };
        };
        responses: {
            /** @description What it would do (`dry_run`). */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Forecast"];
                };
            };
            /** @description The link, and the customers before and after it. */
            201: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Forecast"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            /** @description The id is a former one of the customer (`customer_merged`, the current one under `current`). */
            409: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    withdrawLink: {
        parameters: {
            query?: {
                /** @description `true`: say what would happen and change nothing. */
                dry_run?: boolean;
            };
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description A customer's id. A former one reads as well; changes through it are 409 `customer_merged`. */
                id: string;
                /** @description The evidence's id. */
                link: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WithdrawInput"];
            };
        };
        responses: {
            /** @description The customers before and after it. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Forecast"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            /** @description The id is a former one of the customer (`customer_merged`, the current one under `current`). */
            409: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    splitCustomer: {
        parameters: {
            query?: {
                /** @description `true`: say what would happen and change nothing. */
                dry_run?: boolean;
            };
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description A customer's id. A former one reads as well; changes through it are 409 `customer_merged`. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SplitInput"];
            };
        };
        responses: {
            /** @description The customers before and after it. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Forecast"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            /** @description The id is a former one of the customer (`customer_merged`, the current one under `current`). */
            409: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    markShared: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SharedInput"];
            };
        };
        responses: {
            /** @description How it is marked now. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Shared"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    readConversation: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The conversation's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The conversation. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Conversation"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            503: components["responses"]["Problem503"];
        };
    };
    exportConversation: {
        parameters: {
            query?: {
                /** @description `true`: vCons with internal notes, which the customer never saw. */
                internal?: boolean;
                /** @description Leave out what is less sure. The default is the token's: `inferred`, for customer-facing tokens `verified`. */
                min_assurance?: "verified" | "claimed" | "inferred";
            };
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The conversation's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The vCon. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Vcon"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    listHandoffs: {
        parameters: {
            query?: {
                /** @description Only those in this state. */
                state?: "requested" | "offered" | "accepted" | "declined" | "expired" | "released" | "transferred" | "completed" | "withdrawn" | "failed";
                /** @description Only those to this queue. */
                queue?: string;
                /** @description Only those of this agent. */
                agent?: string;
                /** @description How many at most. */
                limit?: number;
                /** @description `next` of the page before, as it came. */
                cursor?: string;
                /** @description Newest first unless `asc`. */
                order?: "asc" | "desc";
            };
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HandoffList"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    requestHandoff: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
                /** @description The first answer to this key is given again, with `Idempotent-Replayed: true`, for 7 days. With other content 422, while the first one runs 409. */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["HandoffInput"];
            };
        };
        responses: {
            /** @description The same is pending already; this is it. */
            200: {
                headers: {
                    /** @description The path of what was made. */
                    Location?: string;
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Handoff"];
                };
            };
            /** @description Requested. */
            201: {
                headers: {
                    /** @description The path of what was made. */
                    Location?: string;
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Handoff"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            /** @description Another hand-off of the conversation is pending (under `current`), or several customers answer to the identity, or the customer's id is a former one. */
            409: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    readHandoff: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The hand-off's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The hand-off. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Handoff"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            503: components["responses"]["Problem503"];
        };
    };
    readHandoffContext: {
        parameters: {
            query?: {
                /** @description How many at most. */
                limit?: number;
                /** @description Only these members of the context, separated by commas; who it is and `left_out` always stay. */
                fields?: string;
                /** @description Leave out what is less sure. The default is the token's: `inferred`, for customer-facing tokens `verified`. */
                min_assurance?: "verified" | "claimed" | "inferred";
            };
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The hand-off's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The context. */
            200: {
                headers: {
                    /** @description Weak: over everything but the minutes waited and when sources were last heard. `If-None-Match` with it is answered 304. */
                    ETag?: string;
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Context"];
                };
            };
            /** @description What the caller has is still right. */
            304: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    listSnapshots: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The hand-off's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The snapshots. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SnapshotList"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            503: components["responses"]["Problem503"];
        };
    };
    readSnapshot: {
        parameters: {
            query?: {
                /** @description Which of them. */
                at?: "requested" | "accepted";
            };
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The hand-off's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The context as it was. */
            200: {
                headers: {
                    /** @description The SHA-256 of exactly these bytes, in hex; also the ETag. */
                    "Handoff-Sha256"?: string;
                    /** @description The same hash. */
                    ETag?: string;
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Context"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    offerHandoff: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The hand-off's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["MoveInput"];
            };
        };
        responses: {
            /** @description The hand-off after it. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Handoff"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            /** @description The state or the version does not allow it; the hand-off as it is under `current`. */
            409: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    acceptHandoff: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The hand-off's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["MoveInput"];
            };
        };
        responses: {
            /** @description The hand-off after it. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Handoff"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            /** @description The state or the version does not allow it; the hand-off as it is under `current`. */
            409: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    declineHandoff: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The hand-off's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["MoveInput"];
            };
        };
        responses: {
            /** @description The hand-off after it. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Handoff"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            /** @description The state or the version does not allow it; the hand-off as it is under `current`. */
            409: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    releaseHandoff: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The hand-off's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["MoveInput"];
            };
        };
        responses: {
            /** @description The hand-off after it. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Handoff"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            /** @description The state or the version does not allow it; the hand-off as it is under `current`. */
            409: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    completeHandoff: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The hand-off's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["MoveInput"];
            };
        };
        responses: {
            /** @description The hand-off after it. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Handoff"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            /** @description The state or the version does not allow it; the hand-off as it is under `current`. */
            409: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    withdrawHandoff: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The hand-off's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["MoveInput"];
            };
        };
        responses: {
            /** @description The hand-off after it. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Handoff"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            /** @description The state or the version does not allow it; the hand-off as it is under `current`. */
            409: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    viewedHandoff: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The hand-off's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["MoveInput"];
            };
        };
        responses: {
            /** @description The hand-off after it. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Handoff"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            /** @description The state or the version does not allow it; the hand-off as it is under `current`. */
            409: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    listCallbacks: {
        parameters: {
            query?: {
                /** @description Only those in this state. */
                state?: "requested" | "scheduled" | "attempted" | "missed" | "completed" | "cancelled" | "given_up";
                /** @description How many at most. */
                limit?: number;
                /** @description `next` of the page before, as it came. */
                cursor?: string;
                /** @description Newest first unless `asc`. */
                order?: "asc" | "desc";
            };
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CallbackList"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    requestCallback: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
                /** @description The first answer to this key is given again, with `Idempotent-Replayed: true`, for 7 days. With other content 422, while the first one runs 409. */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CallbackInput"];
            };
        };
        responses: {
            /** @description Promised. */
            201: {
                headers: {
                    /** @description The path of what was made. */
                    Location?: string;
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Callback"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            /** @description Several customers answer to the identity, or the customer's id is a former one. */
            409: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    readCallback: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The call-back's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The call-back. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Callback"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            503: components["responses"]["Problem503"];
        };
    };
    rescheduleCallback: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The call-back's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RescheduleInput"];
            };
        };
        responses: {
            /** @description The call-back after it. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Callback"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            /** @description The call-back has ended; it is under `current`. */
            409: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    cancelCallback: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The call-back's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["CancelInput"];
            };
        };
        responses: {
            /** @description The call-back after it. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Callback"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            /** @description The call-back has ended; it is under `current`. */
            409: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    listWebhooks: {
        parameters: {
            query?: {
                /** @description How many at most. */
                limit?: number;
                /** @description `next` of the page before, as it came. */
                cursor?: string;
                /** @description Newest first unless `asc`. */
                order?: "asc" | "desc";
            };
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WebhookList"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    subscribe: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
                /** @description The first answer to this key is given again, with `Idempotent-Replayed: true`, for 7 days. With other content 422, while the first one runs 409. */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WebhookInput"];
            };
        };
        responses: {
            /** @description Subscribed; `secret` is shown this once. */
            201: {
                headers: {
                    /** @description The path of what was made. */
                    Location?: string;
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Webhook"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            /** @description There are too many subscriptions. */
            409: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    readWebhook: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The subscription's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The subscription. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Webhook"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            503: components["responses"]["Problem503"];
        };
    };
    unsubscribe: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The subscription's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone. */
            204: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            /** @description It stands in the configuration. */
            409: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            503: components["responses"]["Problem503"];
        };
    };
    changeWebhook: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The subscription's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WebhookPatch"];
            };
        };
        responses: {
            /** @description The subscription; with `secret` where it was rotated. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Webhook"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            /** @description It stands in the configuration, or others change it at the same time. */
            409: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    testWebhook: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The subscription's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What the subscriber said. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Delivery"];
                };
            };
            /** @description It has not answered yet. */
            202: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Delivery"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            /** @description The subscription is disabled. */
            409: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            503: components["responses"]["Problem503"];
        };
    };
    listDeliveries: {
        parameters: {
            query?: {
                /** @description Only dead letters. */
                state?: "dead";
                /** @description Only the message with this `webhook-id`. */
                id?: string;
                /** @description How many at most. */
                limit?: number;
                /** @description `next` of the page before, as it came. */
                cursor?: string;
            };
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The subscription's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeliveryList"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    replayWebhook: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The subscription's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ReplayInput"];
            };
        };
        responses: {
            /** @description Queued. */
            202: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Replayed"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            /** @description The subscription is disabled. */
            409: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    watchCustomer: {
        parameters: {
            query?: {
                /** @description The same, where a client cannot set headers. */
                last_event_id?: string;
            };
            header?: {
                /** @description The `id` of the last frame that was seen: what came since is told first, or one `reset` says to read again. */
                "Last-Event-ID"?: string;
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description A customer's id. A former one reads as well; changes through it are 409 `customer_merged`. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Server-Sent Events. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    watchQueue: {
        parameters: {
            query?: {
                /** @description The same, where a client cannot set headers. */
                last_event_id?: string;
            };
            header?: {
                /** @description The `id` of the last frame that was seen: what came since is told first, or one `reset` says to read again. */
                "Last-Event-ID"?: string;
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The queue's name. */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Server-Sent Events. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    watchAgent: {
        parameters: {
            query?: {
                /** @description The same, where a client cannot set headers. */
                last_event_id?: string;
            };
            header?: {
                /** @description The `id` of the last frame that was seen: what came since is told first, or one `reset` says to read again. */
                "Last-Event-ID"?: string;
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The agent's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Server-Sent Events. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    openSession: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
                /** @description The first answer to this key is given again, with `Idempotent-Replayed: true`, for 7 days. With other content 422, while the first one runs 409. */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SessionInput"];
            };
        };
        responses: {
            /** @description The session; its token is shown this once. */
            201: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    readCurrentSession: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The token's agent and scopes. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Current"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            503: components["responses"]["Problem503"];
        };
    };
    listQuarantine: {
        parameters: {
            query?: {
                /** @description How many at most. */
                limit?: number;
                /** @description `next` of the page before, as it came. */
                cursor?: string;
                /** @description Newest first unless `asc`. */
                order?: "asc" | "desc";
            };
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["QuarantineList"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    replayQuarantined: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The item's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What became of it; it is out of quarantine. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReplayOutcome"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            422: components["responses"]["Problem422"];
            503: components["responses"]["Problem503"];
        };
    };
    dismissQuarantined: {
        parameters: {
            query?: never;
            header?: {
                /** @description Another tenant than the token's; needs `admin`. */
                "Handoff-Tenant"?: components["parameters"]["Tenant"];
            };
            path: {
                /** @description The item's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone. */
            204: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            503: components["responses"]["Problem503"];
        };
    };
    health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It runs. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
        };
    };
    readiness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description They can. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
            503: components["responses"]["Problem503"];
        };
    };
    describe: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OpenAPI 3.1. */
            200: {
                headers: {
                    /** @description Changes with the content; `If-None-Match` with it is answered 304. */
                    ETag?: string;
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        [key: string]: unknown;
                    };
                };
            };
            /** @description What the caller has is still right. */
            304: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    describeMessages: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description AsyncAPI 3.0. */
            200: {
                headers: {
                    /** @description Changes with the content; `If-None-Match` with it is answered 304. */
                    ETag?: string;
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        [key: string]: unknown;
                    };
                };
            };
            /** @description What the caller has is still right. */
            304: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    docs: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The page. */
            200: {
                headers: {
                    /** @description Changes with the content; `If-None-Match` with it is answered 304. */
                    ETag?: string;
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                };
            };
            /** @description What the caller has is still right. */
            304: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    docsAsset: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The file's name. */
                asset: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "text/javascript": string;
                    "text/css": string;
                    "image/png": string;
                };
            };
            /** @description What the caller has is still right. */
            304: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: components["responses"]["Problem404"];
        };
    };
    panelEntry: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is at `/panel/`. */
            308: {
                headers: {
                    /** @description The page. */
                    Location?: string;
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    panel: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The page. */
            200: {
                headers: {
                    /** @description Changes with the content; `If-None-Match` with it is answered 304. */
                    ETag?: string;
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                };
            };
            /** @description What the caller has is still right. */
            304: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    panelAsset: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The file's name. */
                asset: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file. */
            200: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "text/javascript": string;
                    "text/css": string;
                    "application/json": string;
                };
            };
            /** @description What the caller has is still right. */
            304: {
                headers: {
                    "Handoff-Request-Id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: components["responses"]["Problem404"];
        };
    };
}
