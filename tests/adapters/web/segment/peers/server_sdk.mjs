// Sends the journey of test_servers.py with a vendor's own SDK: `node server_sdk.mjs PACKAGE URL KEY`.
import { createRequire } from "node:module";

const [, , name, url, key] = process.argv;
const load = createRequire(import.meta.url);

function journey(sdk) {
  sdk.identify({ userId: "ana", anonymousId: "visitor-1", traits: { email: "ana@shop.example" } });
  sdk.page({ userId: "ana", name: "Returns", properties: { path: "/help/returns", title: "Returns" } });
  for (let step = 0; step < 20; step++) sdk.track({ userId: "ana", event: "Step Done", properties: { step } });
  sdk.track({ userId: "ana", event: "Form Failed", properties: { form: "Refund", error: "card refused" } });
  sdk.alias({ userId: "ana", previousId: "visitor-2" });
}

if (name === "@segment/analytics-node") {
  const { Analytics } = load(name);
  const sdk = new Analytics({ writeKey: key, host: url, path: "/in/shop/v1/batch", maxEventsInBatch: 8, maxRetries: 20 });
  sdk.on("error", (error) => console.error(error));
  journey(sdk);
  await sdk.closeAndFlush({ timeout: 30_000 });
} else {
  const Analytics = load(name);
  const sdk = new Analytics(key, { dataPlaneUrl: `${url}/in/shop`, flushAt: 8, retryCount: 20, logLevel: "error" });
  journey(sdk);
  await sdk.flush();
}
