"""`/v1/tokens` and `/v1/configuration/reload`."""

from __future__ import annotations

from handoff.api.handlers import tokens as handlers
from handoff.api.handlers.tokens import MAX_OVERLAP_S, RotateInput, TokenInput, TokensView, TokenView
from handoff.api.http.app_keys import Reloaded
from handoff.api.operations.operation import Audited, Operation, ResponseSpec, path_parameter
from handoff.services.access.api_keys import DEFAULT_OVERLAP_S, LIVE

TAG = "Access"
ADMIN = ("admin",)
ID = path_parameter("id", "The key's id: the part between the second and the third underscore.")

OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/tokens",
        handler=handlers.create,
        id="createToken",
        audit=Audited("key"),
        tag=TAG,
        summary="Create an API key",
        text="The key looks like `hk_<environment>_<id>_<secret>` and is shown only once; the server keeps "
        f"its HMAC. At most {LIVE} keys of a tenant have the same name.",
        scopes=ADMIN,
        body=TokenInput,
        example={"name": "billing-desk", "scopes": ["context:read", "handoffs:write"], "queues": ["billing"]},
        replies=(ResponseSpec(201, "The key.", TokenView),),
        conflicts="Two keys have this name, or the configuration has it.",
        creating=True,
        duplicates=True,
    ),
    Operation(
        method="GET",
        path="/v1/tokens",
        handler=handlers.list_,
        id="listTokens",
        audit=Audited("key"),
        tag=TAG,
        summary="List API keys",
        scopes=ADMIN,
        replies=(ResponseSpec(200, "The keys that are valid, without their secrets.", TokensView),),
    ),
    Operation(
        method="POST",
        path="/v1/tokens/{id}/rotate",
        handler=handlers.rotate,
        id="rotateToken",
        audit=Audited("key"),
        tag=TAG,
        summary="Replace an API key",
        text="Creates a key with the same name and rights. The old one stays valid for `overlap_s` seconds "
        f"(default {DEFAULT_OVERLAP_S}, maximum {MAX_OVERLAP_S}).",
        scopes=ADMIN,
        parameters=(ID,),
        body=RotateInput,
        optional_body=True,
        example={"overlap_s": 3600},
        replies=(ResponseSpec(201, "The new key.", TokenView),),
        conflicts="The key is being replaced already.",
    ),
    Operation(
        method="DELETE",
        path="/v1/tokens/{id}",
        handler=handlers.revoke,
        id="revokeToken",
        audit=Audited("key"),
        tag=TAG,
        summary="Revoke an API key",
        text="Every worker refuses it from now on, and the sessions that it opened. Streams end within 5 s.",
        scopes=ADMIN,
        parameters=(ID,),
        replies=(ResponseSpec(204, "Revoked."),),
    ),
    Operation(
        method="POST",
        path="/v1/configuration/reload",
        handler=handlers.reload,
        id="reloadConfiguration",
        audit=Audited("configuration"),
        tag=TAG,
        summary="Read the configuration file again",
        text="Adds, changes, and removes tenants, tokens, issuers, sources, channels, policies, webhooks, "
        "and connectors without a restart; streams stay open. `needs_restart` lists changed sections that "
        "take effect after a restart. An invalid configuration changes nothing (422 `configuration`).",
        scopes=ADMIN,
        replies=(ResponseSpec(200, "The configuration that is in effect now.", Reloaded),),
        conflicts="The server was started without a configuration file.",
        problems=(422,),
    ),
)
