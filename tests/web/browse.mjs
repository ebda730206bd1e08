// Drives Chromium for browser.py: `node browse.mjs ORDER.json`; what it found as JSON on stdout, signals on stderr.
// Each visit has a profile of its own. axe is run by the browser's debugger, which no policy of a page forbids.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const order = JSON.parse(readFileSync(process.argv[2], "utf-8"));
const require = createRequire(`${order.modules}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf-8");
const PATIENCE_MS = 60000;

async function look(browser, visit) {
  const context = await browser.newContext({
    javaScriptEnabled: visit.script !== false,
    colorScheme: visit.scheme || "light",
    viewport: visit.viewport || { width: 1280, height: 900 },
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const found = { url: visit.url, asked: [], said: [], focus: [] };
  page.on("request", (request) => found.asked.push(request.url()));
  page.on("pageerror", (error) => found.said.push(String(error)));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) found.said.push(message.text());
  });
  page.on("dialog", (dialog) => { found.said.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  found.status = (await page.goto(visit.url)).status();
  if (visit.axe) {
    await page.evaluate(axe);
    const result = await page.evaluate(() => globalThis.axe.run(document, { preload: false }));
    found.violations = result.violations.map((v) => [v.id, v.help, v.nodes.map((n) => n.html)]);
    found.passes = result.passes.length;
  }
  if (visit.first) await page.evaluate(visit.first);
  if (visit.signal) console.error(visit.signal);
  const end = Date.now() + PATIENCE_MS; // asked by the debugger too: the policy lets no page evaluate a string
  while (visit.until && !(await page.evaluate(visit.until))) {
    if (Date.now() > end) throw new Error(`it never came: ${visit.until}`);
    await page.waitForTimeout(100);
  }
  for (const key of visit.keys || []) {
    await page.keyboard.press(key);
    found.focus.push(await page.evaluate(() => {
      const at = document.activeElement;
      return { text: at.textContent.trim().slice(0, 40), id: at.id, outline: getComputedStyle(at).outlineStyle };
    }));
  }
  if (visit.ask) found.answer = await page.evaluate(visit.ask);
  if (visit.shot) await page.screenshot({ path: visit.shot, fullPage: true });
  await context.close();
  return found;
}

const browser = await chromium.launch({ executablePath: order.chromium, args: ["--no-sandbox", "--disable-gpu"] });
const found = [];
for (const visit of order.visits) found.push(await look(browser, visit));
await browser.close();
console.log(JSON.stringify(found));
