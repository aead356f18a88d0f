// Makes node_modules what package-lock.json says, once: npm scripts call it first, so that a fresh clone needs one
// command. It does nothing when the last install succeeded for the same files, platform and Node ABI. Output goes to
// stderr, so that stdout stays the command's own. A node_modules that is a link is left alone: npm ci would empty the
// folder it points to, which is somebody else's.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const modules = `${root}node_modules`;
const stampFile = `${modules}/.installed`;

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 11)) {
  console.error(`error: Node ${process.versions.node} is too old\nhint:  install Node 20.11 or newer`);
  process.exit(78);
}

const hash = createHash("sha256");
for (const file of ["package.json", "package-lock.json"]) hash.update(readFileSync(root + file));
const stamp = hash.update(`${process.platform} ${process.arch} ${process.versions.modules}`).digest("hex");

if (!existsSync(stampFile) || readFileSync(stampFile, "utf8") !== stamp) {
  if (lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink()) {
    const target = existsSync(modules) ? realpathSync(modules) : "a folder that is not there";
    console.error(`error: ${modules} is a link to ${target}, and not what package-lock.json says`);
    console.error(
      `hint:  remove the link (rm ${modules}) and run the command again; the folder behind it stays as it is`,
    );
    process.exit(78);
  }
  console.error("installing packages (npm ci) …");
  rmSync(stampFile, { force: true });
  const npm = process.env["npm_execpath"];
  const flags = "ci --ignore-scripts --include=dev --include=optional --prefer-offline --no-audit --no-fund";
  const args = [...flags.split(" "), "--loglevel=error"];
  const options = { cwd: root, stdio: ["ignore", 2, 2], env: { ...process.env, NODE_ENV: "" } };
  const done = npm
    ? spawnSync(process.execPath, [npm, ...args], options)
    : spawnSync("npm", args, { ...options, shell: process.platform === "win32" });
  if (done.status !== 0) {
    console.error(`error: npm ci failed (exit ${done.status ?? done.signal ?? done.error?.message})`);
    console.error("hint:  the lines above say why; running the same command again starts afresh");
    process.exit(1);
  }
  writeFileSync(stampFile, stamp);
}
