/** The README's recipe of three coordinators and three members of etcd, run as it is written there. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, inject, test } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const HEADING = "### Three coordinators and three members of etcd, on one machine";

let folder = "";
let shell: ChildProcess | undefined;
afterEach(() => {
  if (shell?.pid !== undefined) endGroup(shell.pid);
  rmSync(folder, { recursive: true, force: true });
});

/** Whatever the recipe has started and not ended. */
function endGroup(group: number): void {
  try {
    process.kill(-group, "SIGKILL");
  } catch {
    // Nothing was left.
  }
}

/** The section's blocks, one after the other. */
function recipe(): string {
  const [, section = ""] = readFileSync(join(root, "README.md"), "utf8").split(`${HEADING}\n`);
  const [text = ""] = section.split(/^#{2,3} /m);
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, code]) => code);
  expect(blocks).toHaveLength(3);
  return blocks.join("\n");
}

test("a coordinator and a member of etcd are killed as the recipe says, and the campaign ends whole", async () => {
  folder = mkdtempSync(join(tmpdir(), "sai-recipe-"));
  const child = spawn("bash", ["-euo", "pipefail", "-c", recipe()], {
    ...{ cwd: root, detached: true, stdio: ["ignore", "pipe", "pipe"] },
    env: {
      ...process.env,
      ...{
        PATH: `${dirname(inject("etcds").current)}:${process.env["PATH"]}`,
        TMPDIR: folder,
        NO_COLOR: "1",
      },
    },
  });
  shell = child;
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (said += chunk));
  const [code] = await once(child, "exit");
  expect(code, `${said}\n${logs()}`).toBe(0);
  expect(said.match(/ Killed /g), said).toHaveLength(2);
  expect(said).toMatch(/end to end .* 240$/m); // the table: every sample
  expect(said).toMatch(/^leader +127\.0\.0\.1:7\d51, epoch \d+$/m);
}, 300_000);

function logs(): string {
  const [fleet = ""] = readdirSync(folder);
  return readdirSync(join(folder, fleet))
    .filter((name) => name.endsWith(".log"))
    .map((name) => `--- ${name}\n${readFileSync(join(folder, fleet, name), "utf8").slice(-1500)}`)
    .join("\n");
}
