import { expect, test } from "vitest";
import { xmlText } from "./xml.js";

test("what has a meaning is escaped, and what XML does not know is shown", () => {
  expect(xmlText(`<a b="c">&'`)).toBe("&#60;a b=&#34;c&#34;&#62;&#38;&#39;");
  expect(xmlText("\u001b[31m\u0000\n\t\uFFFE\uD800x😀")).toBe("\\u001B[31m\\u0000&#10;&#9;\\uFFFE\\uD800x😀");
});
