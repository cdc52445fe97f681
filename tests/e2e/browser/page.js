// What a shop's page would do with the unmodified analytics.js.
import { AnalyticsBrowser } from "@segment/analytics-next";

window.send = async (writeKey, cdnURL, batching) => {
  const integrations = batching
    ? { "Segment.io": { deliveryStrategy: { strategy: "batching", config: { size: 3, timeout: 300 } } } }
    : {};
  const analytics = AnalyticsBrowser.load({ writeKey, cdnURL }, { integrations });
  await analytics.identify("u1", { email: "U1@example.test", plan: "pro" });
  await analytics.track("Clicked", { n: 1, broken: "half \ud83d" });
  await analytics.page("Docs", "Home", { extra: true });
  await analytics.group("g1", { name: "Acme" });
  await new Promise((resolve) => setTimeout(resolve, 1500));
  return (await analytics.user()).anonymousId();
};
