/**
 * The scripted server as its own process, so that a benchmark's far side has its own event loop. Options come as JSON
 * in the first argument; the first line of stdout is `{"url": …}`; it ends when its stdin ends, so it cannot outlive
 * the process that started it.
 */
import { type ScriptedServerOptions, startScriptedServer } from "./scripted-server.js";

const options = JSON.parse(process.argv[2] ?? "{}") as ScriptedServerOptions;
const server = await startScriptedServer(options);
process.stdout.write(`${JSON.stringify({ url: server.url })}\n`);
process.stdin.resume();
process.stdin.on("end", () => {
  void server.close();
});
