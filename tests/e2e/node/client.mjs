// Drives the unmodified Node client through its whole surface; prints the errors it reported.
import { Analytics } from "@segment/analytics-node";

const analytics = new Analytics({
  writeKey: process.env.WRITE_KEY,
  host: process.env.HOST,
  flushAt: 5,
  flushInterval: 100,
});
const errors = [];
analytics.on("error", (error) => errors.push(String(error.reason ?? error.code)));

const userId = "u1";
analytics.identify({ userId, anonymousId: "a1", traits: { email: "U1@example.test", plan: "free" } });
analytics.identify({ userId, traits: { plan: "pro", nested: { a: [1, 2] } } });
analytics.track({ userId, event: "Order Completed", properties: { revenue: 12.5 }, messageId: "order-1" });
analytics.track({ userId, event: "Order Completed", properties: { revenue: 12.5 }, messageId: "order-1" });
analytics.page({ userId, category: "Docs", name: "API", properties: { path: "/docs" } });
analytics.screen({ userId, name: "Home" });
analytics.group({ userId, groupId: "g1", traits: { name: "Acme" } });
analytics.alias({ userId, previousId: "a9" });
for (let n = 0; n < 60; n++) analytics.track({ userId, event: "Many", properties: { n } });

await analytics.closeAndFlush({ timeout: 20000 });
console.log(JSON.stringify({ errors }));
