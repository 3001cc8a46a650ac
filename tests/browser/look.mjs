// Looks at the reports in a directory with a real browser. See run.sh.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.env.BROWSER_MODULES}/`);
const { chromium } = require("playwright-core");
const axe = require("axe-core").source;

const [directory] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.BROWSER,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

/** Opens a report where nothing can be fetched, does something with it, and checks that nothing went wrong. */
async function look(name, options, inside) {
  const { hash = "", stopped, ...context } = options;
  const url = `${pathToFileURL(`${directory}/${name}.html`)}`;
  const opened = await browser.newContext({ viewport: { width: 1280, height: 1400 }, reducedMotion: "reduce", ...context });
  const wrong = [];
  await opened.setOffline(true);
  const page = await opened.newPage();
  page.on("request", request => { if (request.url().split("#")[0] !== url) wrong.push(`fetches ${request.url()}`); });
  page.on("console", message => wrong.push(`console: ${message.text()}`));
  page.on("pageerror", error => wrong.push(`error: ${error}`));
  page.on("dialog", dialog => { wrong.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  const begun = performance.now();
  await page.goto(url + hash);
  const loaded = performance.now() - begun;
  try {
    return await inside(page, loaded);
  } finally {
    assert.deepEqual(wrong.filter(one => !stopped?.test(one)), [], name);
    await opened.close();
  }
}

/** How bright a picture is, from 0 to 255, and how many colours it has. */
async function figures(picture) {
  const page = await browser.newPage();
  const result = await page.evaluate(async data => {
    const image = new Image();
    image.src = `data:image/png;base64,${data}`;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
    canvas.drawImage(image, 0, 0);
    const pixels = canvas.getImageData(0, 0, image.width, image.height).data;
    const colours = new Set();
    let sum = 0;
    for (let at = 0; at < pixels.length; at += 4) {
      sum += 0.2126 * pixels[at] + 0.7152 * pixels[at + 1] + 0.0722 * pixels[at + 2];
      colours.add((pixels[at] << 16) | (pixels[at + 1] << 8) | pixels[at + 2]);
    }
    return { brightness: Math.round(sum / (pixels.length / 4)), colours: colours.size };
  }, picture.toString("base64"));
  await page.close();
  return result;
}

const visible = page => page.locator("article:visible").count();
const said = page => page.locator("#found").textContent();
let checks = 0;
const told = [];
async function check(name, what) {
  await what();
  checks += 1;
  console.log(`ok  ${name}`);
}

for (const name of ["clinic", "edited", "nothing", "hostile"]) {
  const seen = {};
  for (const colorScheme of ["light", "dark"]) {
    await check(`${name}, ${colorScheme}: can be seen, and read by everybody`, () =>
      look(name, { colorScheme }, async page => {
        for (const part of ["top", "end"]) {
          if (part === "end") await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
          const picture = await page.screenshot();
          writeFileSync(`${directory}/${name}-${colorScheme}-${part}.png`, picture);
          seen[colorScheme] ??= await figures(picture);
        }
        assert.ok(seen[colorScheme].colours > 50, `blank: ${JSON.stringify(seen)}`);
        // Contrast counts in folded parts, too.
        await page.evaluate(() => document.querySelectorAll("details").forEach(details => { details.open = true; }));
        await page.evaluate(axe);
        const { violations, passes } = await page.evaluate(() => axe.run(document));
        assert.deepEqual(violations.map(one => `${one.id}: ${one.nodes.map(node => node.html).slice(0, 3)}`), []);
        assert.ok(passes.length > 15, `axe has checked ${passes.length} rules only`);
        seen.rules = passes.length;
      }));
  }
  assert.ok(seen.light.brightness > 200 && seen.dark.brightness < 70, `${name}: ${JSON.stringify(seen)}`);
  told.push(`${name}: brightness ${seen.light.brightness} in light, ${seen.dark.brightness} in dark; axe: ${seen.rules} rules, 0 violations`);
}

await check("search narrows the services", () => look("clinic", {}, async page => {
  const all = await visible(page);
  assert.equal(await said(page), `${all} services`);
  await page.fill("#q", "diabetes coach");
  assert.equal(await visible(page), 1);
  assert.equal(await said(page), `1 of ${all} services`);
  await page.fill("#q", "version set experiment");
  assert.equal(await visible(page), 1, "by text");
  await page.fill("#q", "tags.made_by");
  assert.equal(await visible(page), 1, "by path");
  await page.fill("#q", "no such thing anywhere");
  assert.equal(await visible(page), 0);
  assert.ok(await page.getByText("No matching services").isVisible());
  await page.fill("#q", "");
  assert.equal(await visible(page), all);
}));

await check("filters: of one kind any, of flags all", () => look("clinic", {}, async page => {
  await page.getByRole("checkbox", { name: /^replace/ }).check();
  assert.equal(await visible(page), 1);
  await page.getByRole("checkbox", { name: /^retire/ }).check();
  assert.equal(await visible(page), 2);
  await page.getByRole("checkbox", { name: /^destructive/ }).check();
  await page.getByRole("checkbox", { name: /^adopted/ }).check();
  assert.equal(await visible(page), 0);
  await page.getByRole("button", { name: "Clear" }).click();
  assert.equal(await visible(page), 70);
}));

await check("the address remembers, and links reach what is filtered away", () => look("clinic", {}, async page => {
  await page.getByRole("checkbox", { name: /^retire/ }).check();
  await page.fill("#q", "flu");
  const hash = await page.evaluate(() => location.hash);
  assert.equal(hash, "#q=flu&kind=retire");
  await look("clinic", { hash }, async again => {
    assert.equal(await visible(again), 1);
    assert.equal(await again.inputValue("#q"), "flu");
  });
  await page.locator(".hazards").getByRole("link", { name: "Diabetes Coach" }).click();
  await page.locator("article", { hasText: "How the new service takes over" }).first().waitFor({ state: "visible" });
  assert.equal(await visible(page), 70);
}));

await check("keys: tab order, skip link, /, Escape, Enter and Space", () => look("edited", {}, async page => {
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.className || document.activeElement.value);
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "skip");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "q");
  const boxes = [];
  for (let i = 0; i < 4; i += 1) {
    await page.keyboard.press("Tab");
    boxes.push(await focused());
  }
  assert.deepEqual(boxes, ["change", "replace", "retire", "destructive"]);
  await page.keyboard.press("Space");
  assert.equal(await visible(page), 2);
  await page.keyboard.press("/");
  assert.equal(await focused(), "q");
  await page.keyboard.type("health/");
  assert.equal(await visible(page), 0, "a slash in the field is a slash");
  await page.keyboard.press("Escape");
  assert.equal(await page.inputValue("#q"), "");
  assert.equal(await visible(page), 4);
  const summary = page.locator("article summary").first();
  const details = page.locator("article details").first();
  await summary.focus();
  for (const [key, open] of [["Enter", true], ["Space", false]]) {
    await page.keyboard.press(key);
    assert.equal(await details.evaluate(element => element.open), open, key);
  }
  const outline = await summary.evaluate(element => getComputedStyle(element).outlineStyle);
  assert.equal(outline, "solid", "focus is seen");
}));

await check("search unfolds what it finds, and folds it again", () => look("edited", {}, async page => {
  const folded = page.locator("article details:not([open])");
  const before = await folded.count();
  await page.fill("#q", "rule 40");
  assert.equal(await visible(page), 1);
  assert.ok(await page.getByText("Rule 40: say what it means.").isVisible());
  await page.keyboard.press("Escape");
  assert.equal(await folded.count(), before);
}));

await check("without scripts everything is there", () => look("clinic", { javaScriptEnabled: false }, async page => {
  assert.equal(await visible(page), 70);
  assert.equal(await page.locator("#find").isVisible(), false);
}));

await check("narrow screens are not scrolled sideways", () => look("edited", { viewport: { width: 360, height: 740 } }, async page => {
  const { wide, width } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, width: innerWidth }));
  assert.ok(wide <= width, `${wide} > ${width}`);
}));

await check("hostile texts are texts", () => look("hostile", {}, async page => {
  for (const at of await page.locator("main article, main a, main summary").all()) await at.hover();
  assert.equal(await page.evaluate(() => window.__x), undefined);
  const names = await page.locator("article h3").allTextContents();
  assert.ok(names.includes("<script>window.__x=1</script>"), names.join());
  const body = await page.locator("main").innerText();
  for (const text of ["<img src=x onerror=", "</style><script>alert(3)</script>", "&lt;script&gt; &#60;script&#62;", "␛[31m"]) {
    assert.ok(body.includes(text), text);
  }
  const html = await page.content();
  assert.ok(!/[\u202e\u001b]/.test(html));
  assert.equal(await page.locator("script, iframe, img, [onclick], [onload], [onerror]").count(), 1, "our own script");
}));

await check("the policy stops what is put in later", () => look("nothing", { stopped: /^console: .*Content Security Policy/s }, async page => {
  const ran = await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.__y = 1";
    const reports = new Promise(done => addEventListener("securitypolicyviolation", event => done(event.effectiveDirective)));
    document.body.append(script);
    return Promise.race([reports, new Promise(done => setTimeout(() => done("ran"), 2000))]);
  });
  assert.equal(ran, "script-src-elem");
  assert.equal(await page.evaluate(() => window.__y), undefined);
}));

await check("5,000 services stay usable", () => look("large", {}, async (page, loaded) => {
  const measure = text => page.evaluate(async text => {
    const field = document.getElementById("q");
    const begun = performance.now();
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    return performance.now() - begun;
  }, text);
  const times = [await measure("service 4711"), await measure(""), await measure("group 13 ")];
  assert.ok((await visible(page)) > 40);
  assert.ok(Math.max(...times) < 1000, `search answers in ${times}`);
  assert.ok(loaded < 5000, `loads in ${loaded} ms`);
  told.push(`large: loads in ${Math.round(loaded)} ms, searches take ${times.map(Math.round).join(", ")} ms`);
}));

const version = browser.version();
await browser.close();
console.log(["", ...told, `browser: Chromium ${version}, ${checks} checks passed`].join("\n"));
