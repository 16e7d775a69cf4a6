// Uses the built page as a person would, in headless Chromium, and prints what it found as one line of JSON.
//
// node browser-test.mjs PHOTO MASK OUT
//
// Writes into the folder OUT: filled.png, what "Save PNG" gives for PHOTO under MASK; brushed.png, the same for a hole
// brushed by mouse, from left to right through the middle; and screenshots. CHROMIUM names another browser; with
// WEBGPU=1 it is given a graphics processor in software.

import { createReadStream, existsSync, mkdirSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const TYPES = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".json": "application/json",
  ".mjs": "text/javascript",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};
const FLAGS = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const GRAPHICS = ["--enable-unsafe-webgpu", "--enable-features=Vulkan", "--use-webgpu-adapter=swiftshader"];
const MOST_MS = 240_000;

const dist = join(dirname(fileURLToPath(import.meta.url)), "dist");
const [photo, mask, out] = process.argv.slice(2);
const servers = [];
mkdirSync(out, { recursive: true });

const site = await serve((request, response) => {
  const path = normalize(decodeURIComponent(new URL(request.url, "http://here").pathname));
  const file = join(dist, path.endsWith("/") ? `${path}index.html` : path);
  if (!existsSync(file)) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { "Content-Type": TYPES[extname(file)] ?? "application/octet-stream" });
  createReadStream(file).pipe(response);
});
let askedElsewhere = 0;
const elsewhere = await serve((_, response) => {
  askedElsewhere += 1;
  response.writeHead(200, { "Access-Control-Allow-Origin": "*" }).end();
});

const isGraphic = process.env.WEBGPU === "1";
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [...FLAGS, ...(isGraphic ? GRAPHICS : ["--disable-gpu"])],
});
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 860 } });
  page.setDefaultTimeout(MOST_MS);
  const requests = [];
  const complaints = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));

  await page.goto(site);
  await page.screenshot({ path: join(out, "empty.png") });
  await page.setInputFiles("#photo", photo);
  await page.waitForSelector(".has-photo");
  await page.setInputFiles("#mask", mask);
  await page.waitForSelector("#fill:enabled");
  await page.screenshot({ path: join(out, "marked.png") });
  const status = await filled(page);
  await page.screenshot({ path: join(out, "filled-page.png") });
  await save(page, "filled.png");
  await page.locator("#compare").fill("0.5");
  await page.locator("#actual").click();
  await page.waitForTimeout(200);
  await page.screenshot({ path: join(out, "compared.png") });
  const troubles = [...complaints];

  // The policy holds in the page and in its worker.
  const leaks = [];
  for (const [where, context] of [["page", page], ["worker", page.workers()[0]]]) {
    const got = await context.evaluate((url) => fetch(url).then(() => true, () => false), elsewhere);
    if (got) leaks.push(where);
  }

  await page.reload();
  await page.setInputFiles("#photo", photo);
  await page.waitForSelector(".has-photo");
  await drag(page, -0.1, 0.1, -0.3);
  await drag(page, -0.1, 0.1, 0);
  await page.screenshot({ path: join(out, "brushed-page.png") });
  await drag(page, -0.1, 0.1, 0.2);
  await page.locator("#undo").click();
  await page.keyboard.press("Control+z");
  await page.keyboard.down(" "); // held to move the photograph, not to press the button that was clicked
  await drag(page, 0, 0.05, 0);
  await page.keyboard.up(" ");
  const canFillAfterUndo = await page.locator("#fill").isEnabled();
  await page.locator("#undo").click();
  const canFillWithoutHole = await page.locator("#fill").isEnabled();
  await drag(page, -0.1, 0.1, 0);
  await filled(page);
  await save(page, "brushed.png");

  console.log(
    JSON.stringify({
      status,
      troubles,
      leaks,
      askedElsewhere,
      foreign: requests.filter((url) => !url.startsWith(site) && !/^(blob|data):/.test(url) && url !== elsewhere),
      canFillAfterUndo,
      canFillWithoutHole,
    }),
  );
} finally {
  await browser.close();
  for (const server of servers) server.close();
}

/** Listens on a free port of this machine; returns the address. */
async function serve(answer) {
  const server = createServer(answer);
  servers.push(server);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${server.address().port}/`;
}

/** Clicks Fill and waits for what the page says in the end. */
async function filled(page) {
  await page.locator("#fill").click();
  await page.waitForFunction(() => {
    const status = document.getElementById("status");
    return status.textContent.startsWith("Filled") || status.classList.contains("is-trouble");
  });
  const said = await page.locator("#status").textContent();
  if (!said.startsWith("Filled")) throw new Error(`the page says: ${said}`);
  return said;
}

async function save(page, name) {
  const download = page.waitForEvent("download");
  await page.locator("#save").click();
  await (await download).saveAs(join(out, name));
  await page.waitForSelector("#save:enabled");
}

/** Brushes from left to right: `from` and `to` along the canvas, `down` from its middle, in shares of its size. */
async function drag(page, from, to, down) {
  const box = await page.locator("#view").boundingBox();
  const y = box.y + box.height * (0.5 + down);
  await page.mouse.move(box.x + box.width * (0.5 + from), y);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, y, { steps: 5 });
  await page.mouse.move(box.x + box.width * (0.5 + to), y, { steps: 5 });
  await page.mouse.up();
}
