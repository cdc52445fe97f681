// Opens a page in a real browser, lets it send, and prints the anonymous id and every answer it got.
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const script = readFileSync("build/page.js");
const shop = createServer((request, response) => {
  response.setHeader("Content-Type", request.url === "/page.js" ? "text/javascript" : "text/html");
  response.end(request.url === "/page.js" ? script : "<title>Shop</title><script src='/page.js'></script>");
});
await new Promise((resolve) => shop.listen(0, "127.0.0.1", resolve));

const { CHROMIUM, WRITE_KEY, HOST, BATCHING } = process.env;
const quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath: CHROMIUM, args: quiet });
const page = await browser.newPage();
const answers = [];
const note = (text) => answers.push(text);
page.on("response", (r) => r.url().startsWith(HOST) && note(`${r.status()} ${r.request().method()} ${new URL(r.url()).pathname}`));
page.on("requestfailed", (r) => note(`failed ${r.url()}`));
await page.goto(`http://127.0.0.1:${shop.address().port}/`);
const anonymousId = await page.evaluate(([key, host, batching]) => window.send(key, host, batching), [WRITE_KEY, HOST, BATCHING === "1"]);
await browser.close();
shop.close();
console.log(JSON.stringify({ anonymousId, answers }));
