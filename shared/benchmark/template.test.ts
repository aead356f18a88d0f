import { expect, test } from "vitest";
import type { Item } from "./item.js";
import { renderMessages, templateProblem } from "./template.js";

const item: Item = {
  id: "i1",
  input: "two and two",
  vars: { question: "2+2?", meta: { topic: "sums" }, images: "hidden", constructor_name: "x" },
  media: [
    {
      kind: "image",
      name: "a.png",
      sha256: "0".repeat(64),
      mime: "image/png",
      bytes: 1,
      width: 4,
      height: 3,
    },
    { kind: "missing", name: "b.png", reason: "file not found" },
  ],
  truth: { secret: true },
  target: "4",
};

const render = (template: string, system?: string) =>
  renderMessages({ template, ...(system !== undefined && { system }) }, item);

test("a template sees input, item, images and the item's columns", () => {
  expect(
    render(
      "{{ input }}|{{ question }}|{{ meta.topic }}|{{ item.id }}|{{ images.size }}|{{ images[0].width }}",
    ),
  ).toEqual({
    user: "two and two|2+2?|sums|i1|2|4",
  });
  expect(render("x", "{% if images.size > 1 %}many{% endif %}")).toEqual({ system: "many", user: "x" });
});

test("values are put in as they are, not as templates or HTML", () => {
  expect(renderMessages({ template: "{{ input }}" }, { ...item, input: "{{ target }} <b>&" }).user).toBe(
    "{{ target }} <b>&",
  );
});

test("truth and target are out of reach", () => {
  for (const name of ["target", "truth", "item.target", "item.truth"]) {
    expect(() => render(`{{ ${name} }}`)).toThrow(/undefined variable/);
  }
});

test("an unknown variable or filter is an error that names it", () => {
  expect(() => render("{{ qestion }}")).toThrow(/undefined variable: qestion/);
  expect(() => render("{{ input | nofilter }}")).toThrow(/nofilter/);
  expect(templateProblem("{% if input %}")).toMatch(/not closed/);
  expect(templateProblem("{% nothing %}")).toMatch(/"nothing" not found/);
  expect(templateProblem("{{ input }}")).toBeUndefined();
});

test("an object is never sent as [object Object]", () => {
  const wrong: [template: string, message: string][] = [
    ["{{ item }}", "item is an object; use item.id"],
    ["{{ item | upcase }}", "item is an object; use item.id"],
    ["a {{ meta | append: '!' }}", "meta is an object; use meta.topic"],
    ["{{ images }}", "images[0] is an object; use images[0].name"],
    ["{{ images | join: ', ' }}", "images[0] is an object; use images[0].name"],
    ["{% for image in images %}{{ image }}{% endfor %}", "images[0] is an object; use images[0].name"],
    ["{% assign x = item %}{{ x }}", "item is an object; use item.id"],
  ];
  for (const [template, message] of wrong) {
    expect(() => render(template), template).toThrow(message);
    expect(() => render("x", template), template).toThrow(message);
  }
  expect(render("{{ meta | json }} {{ images | map: 'name' | join: ',' }} [object Object]").user).toBe(
    '{"topic":"sums"} a.png,b.png [object Object]',
  );
  expect(render("{% if meta %}{{ meta['topic'] }}{% endif %}{{ meta | size }}").user).toBe("sums0");
});

test("no file and no prototype can be reached", () => {
  for (const tag of ["include", "render", "layout"]) {
    expect(() => render(`{% ${tag} '/etc/hostname' %}`)).toThrow(/ENOENT|not found|Failed to lookup/);
    expect(() => render(`{% ${tag} 'package.json' %}`)).toThrow(/ENOENT|not found|Failed to lookup/);
  }
  expect(() => render("{{ item.constructor }}")).toThrow(/undefined variable/);
  expect(() => render("{{ input.__proto__ }}")).toThrow(/undefined variable/);
});

test("a template that never ends is stopped", () => {
  const loops = `${"{% for a in (1..1000000) %}".repeat(4)}x${"{% endfor %}".repeat(4)}`;
  expect(() => render(loops)).toThrow(/limit/);
  expect(() => render("{% for a in (1..1000000000) %}{% endfor %}")).toThrow(/limit/);
  expect(render("{% for a in (1..1000) %}x{% endfor %}").user).toHaveLength(1000);
  expect(() => render("x".repeat(300_000))).toThrow(/limit/);
});

test("one template gives each item its own messages", () => {
  const users = ["a", "b", "a"].map(
    (input) => renderMessages({ template: "<{{ input }}>" }, { id: input, input, media: [] }).user,
  );
  expect(users).toEqual(["<a>", "<b>", "<a>"]);
});
