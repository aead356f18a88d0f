/**
 * The report's style sheet: light and dark by the reader's preference, and a print form that opens every table.
 * Written as text into the file, so that it needs nothing from anywhere.
 */
import { Markup } from "./markup.js";
import { DARK, LIGHT } from "./palette.js";

const hues = (colors: readonly string[]): string => colors.map((c, i) => `--m${i}:${c}`).join(";");
const light = `--bg:#f6f7f9;--card:#fff;--ink:#16202c;--soft:#5a6675;--rule:#dfe4ea;--grid:#e6eaef;--link:#005a9c;
--good:#0a6b4a;--good-bg:#dff3ea;--bad:#a33b00;--bad-bg:#fdebe0;--mute-bg:#e9edf2;--warn:#7a4d00;--warn-bg:#fff3d6;
--ok:#3f7fb0;--parse:#c79a1b;--refuse:#8a6bb5;--error:#d55e00;--time:#a8480a;--oom:#7d1d3f;--poison:#2b2b2b;--off:#aab3bd;${hues(LIGHT)}`;
const dark = `--bg:#0f141a;--card:#171e26;--ink:#e8edf3;--soft:#a0adbb;--rule:#2b3641;--grid:#27313b;--link:#7cc0ff;
--good:#66d9ad;--good-bg:#12352a;--bad:#ffab7a;--bad-bg:#41210f;--mute-bg:#26303a;--warn:#ffd479;--warn-bg:#3a2d0c;
--ok:#4c8fc2;--parse:#d9b23c;--refuse:#a78bd3;--error:#f07b2a;--time:#c4612a;--oom:#c0527c;--poison:#e8e8e8;--off:#56616d;${hues(DARK)}`;

const base = `
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 24px 48px}
h1{font-size:30px;line-height:1.2;margin:2px 0 8px;letter-spacing:-.015em;overflow-wrap:anywhere}
h2{font-size:20px;margin:0 0 6px;letter-spacing:-.01em}h3{font-size:15px;margin:18px 0 8px;overflow-wrap:anywhere}h4{font-size:14px;margin:16px 0 6px}
p{margin:0 0 8px}small{font-size:12px;color:var(--soft);font-weight:400}a{color:var(--link)}
code{font:12.5px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
.eyebrow{font-size:12px;letter-spacing:.09em;text-transform:uppercase;color:var(--soft);margin:0}
.lead{font-size:16px;color:var(--soft);max-width:74ch;overflow-wrap:anywhere}
.pill,.badge{display:inline-block;border-radius:99px;font-weight:600;white-space:nowrap}
.pill{font-size:13px;letter-spacing:0;padding:3px 11px;vertical-align:4px;background:var(--mute-bg);color:var(--soft);max-width:100%;overflow:hidden;text-overflow:ellipsis}
.pill.good,.badge.win{background:var(--good-bg);color:var(--good)}.pill.bad,.badge.lose{background:var(--bad-bg);color:var(--bad)}
.badge{font-size:11px;padding:1px 8px;letter-spacing:.03em}.badge.tie{background:var(--mute-bg);color:var(--soft)}
.badge.sim{background:var(--warn-bg);color:var(--warn);font-size:10px}
.banner{border:2px solid var(--warn);border-radius:8px;padding:10px 14px;margin:14px 0;color:var(--warn);background:repeating-linear-gradient(135deg,var(--warn-bg) 0 14px,transparent 14px 28px),var(--card)}
.banner strong{letter-spacing:.08em;margin-right:8px}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(220px,1fr));gap:10px 24px;margin:16px 0 0;padding:14px 0;border-top:1px solid var(--rule);border-bottom:1px solid var(--rule)}
.facts dt{font-size:12px;color:var(--soft)}.facts dd{margin:0;overflow-wrap:anywhere}.facts code.hash{font-size:11px}
nav{padding:12px 0;display:flex;flex-wrap:wrap;gap:4px 18px;font-size:14px}nav a{text-decoration:none}nav a:hover{text-decoration:underline}
section,footer{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:20px 22px;margin:0 0 18px}
#headline{background:none;border:0;padding:0}.intro{color:var(--soft);font-size:13.5px;max-width:86ch}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(165px,1fr));gap:14px;margin-bottom:16px}
.tile{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:14px 16px;overflow-wrap:anywhere}
.tile p{margin:0}.tile-title{font-size:12.5px;color:var(--soft)}.big{font-size:27px;font-weight:650;letter-spacing:-.02em;line-height:1.3;font-variant-numeric:tabular-nums}
.big .who{font-size:14px;font-weight:500;letter-spacing:0;display:block}.big .of{font-size:16px;font-weight:500;color:var(--soft)}.tile .small{font-size:12.5px;color:var(--soft);margin-top:4px}
.warnings{border-left:5px solid var(--warn)}.warnings ul{margin:0;padding-left:20px;overflow-wrap:anywhere}
.model{white-space:normal;overflow-wrap:anywhere}.model svg{vertical-align:-1.5px}.on-data{color:var(--soft);font-weight:400}
.scroll{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;width:100%;font-size:13.5px;margin:8px 0 4px}
caption{text-align:left;font-weight:600;padding:4px 0 6px;overflow-wrap:anywhere}
#headline .scroll{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:8px 18px 10px;margin-bottom:18px}
th,td{text-align:left;vertical-align:top;padding:6px 14px 6px 0;border-bottom:1px solid var(--rule);font-weight:400;min-width:44px;max-width:420px;overflow-wrap:break-word}
th:last-child,td:last-child{padding-right:2px}
thead th{font-size:12px;color:var(--soft);vertical-align:bottom;border-bottom-color:var(--soft)}thead small{display:block}
tbody tr:last-child>*{border-bottom:0}tbody th{min-width:130px;overflow-wrap:anywhere}
.num{text-align:right;font-variant-numeric:tabular-nums}td.num{white-space:nowrap}td.num small{white-space:normal}
abbr{text-decoration:none;cursor:help;color:var(--bad)}.na,.na small{color:var(--soft)}
.example{display:block;white-space:pre-wrap;max-height:12em;overflow:auto;background:var(--bg);border-radius:6px;padding:5px 8px}
code.whole{white-space:nowrap}.grid figure:has(details[open]){grid-column:1/-1}
.plain{list-style:none;margin:0;padding:0}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:8px 30px}.matrices{display:flex;flex-wrap:wrap;gap:10px 30px}
figure{margin:8px 0 12px;min-width:0;break-inside:avoid}figcaption{margin-bottom:6px;overflow-wrap:anywhere}
figure svg[role=img]{display:block;width:100%;height:auto;overflow:visible}figure.half svg[role=img]{max-width:600px}figure.wide svg[role=img]{min-width:600px}figure.small{max-width:300px}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 18px;margin:0 0 6px;padding:0;font-size:12.5px}.legend li{max-width:100%;overflow-wrap:anywhere}.legend svg{vertical-align:-1px;margin-right:6px}
.note,.notes{font-size:12.5px;color:var(--soft)}.notes{margin:6px 0 0;padding-left:18px}
details{margin:4px 0}summary{cursor:pointer;font-size:12.5px;color:var(--link)}
.verdicts{list-style:none;margin:0;padding:0}.verdicts li{display:flex;gap:12px;align-items:baseline;padding:7px 0;border-bottom:1px solid var(--rule);overflow-wrap:anywhere}.verdicts li:last-child{border-bottom:0}
.verdicts .badge{flex:0 0 68px;text-align:center}.verdicts small{display:block}
.share{display:inline-block;width:90px;height:8px;border-radius:4px;background:var(--mute-bg);vertical-align:1px;margin-right:8px;overflow:hidden}.share span{display:block;height:100%;background:var(--ok)}
.sample{display:flow-root;border-top:1px solid var(--rule);padding:4px 0 10px;break-inside:avoid}.sample h4{overflow-wrap:anywhere}.shot{float:left;margin:4px 22px 8px 0;max-width:min(100%,420px)}figure.shot svg[role=img]{width:auto;max-width:100%}.said{min-width:min(100%,300px);overflow:hidden}
.box,.box-true,.box-under{fill:none}.box{stroke:var(--c);stroke-width:2;stroke-dasharray:7 4}.box-true{stroke:var(--good);stroke-width:2.5}.box-under{stroke:#fff;stroke-opacity:.75;stroke-width:4.5}
footer{font-size:13px;color:var(--soft)}footer h2{font-size:15px;color:var(--ink)}footer ul{margin:0 0 10px;padding-left:18px}
svg text{font-family:inherit}.lbl,.val{fill:var(--ink)}.halo{paint-order:stroke;stroke:var(--card);stroke-width:3.5px;stroke-linejoin:round}.val{font-variant-numeric:tabular-nums}.strong{font-weight:700}.ax{fill:var(--soft);font-variant-numeric:tabular-nums}
.axis line{stroke:var(--grid);stroke-width:1}.target{stroke:var(--ink);stroke-width:1.4;stroke-dasharray:4 3}
.dot{fill:var(--c);stroke:var(--card);stroke-width:1}.dot.hollow{fill:var(--card);stroke:var(--c);stroke-width:2}
.line{fill:none;stroke:var(--c);stroke-width:2}.curve{stroke-linejoin:round}.faint{stroke-width:1.6;opacity:.55}.thin{stroke-width:1.6}.thick{stroke-width:7;opacity:.45}
.front{fill:none;stroke:var(--soft);stroke-width:1.3;stroke-dasharray:5 4}
.forbidden{fill:var(--bad);opacity:.13}.change{fill:none;stroke-width:2}.change-dot{stroke:var(--card);stroke-width:1}.change.v-pass{stroke:var(--good)}.change.v-fail{stroke:var(--bad)}.change.v-inconclusive{stroke:var(--warn)}.change.v-none{stroke:var(--soft)}.change-dot.v-pass{fill:var(--good)}.change-dot.v-fail{fill:var(--bad)}.change-dot.v-inconclusive{fill:var(--warn)}.change-dot.v-none{fill:var(--soft)}
.frame{fill:var(--mute-bg);fill-opacity:.5}.right{fill:var(--ok)}.wrong{fill:var(--error)}
.on{fill:#fff;font-weight:600;font-variant-numeric:tabular-nums}
.part.o-ok{fill:var(--ok)}.part.o-parseError{fill:var(--parse)}.part.o-refused{fill:var(--refuse)}.part.o-engineError{fill:var(--error)}.part.o-timeout{fill:var(--time)}.part.o-oom{fill:var(--oom)}.part.o-poison{fill:var(--poison)}.part.o-cancelled{fill:var(--off)}
.part.o-notRun{fill:var(--mute-bg);stroke:var(--off);stroke-dasharray:3 2}.on.o-notRun,.on.o-cancelled,.on.o-parseError{fill:var(--ink)}.on.o-poison{fill:var(--bg)}
`;

const looks = LIGHT.map((_, i) => `.m${i}{--c:var(--m${i})}`).join("");

const print = `nav,summary{display:none}body{background:#fff;font-size:11.5px}main{max-width:none;padding:0}
section,footer,.tile{border-color:#bbb;break-inside:auto}details::details-content{content-visibility:visible;block-size:auto;display:block}
h2,h3,figcaption,caption,thead{break-after:avoid}tr,.verdicts li,.tile{break-inside:avoid}.scroll,.example{overflow:visible;max-height:none}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}`;

export const style = new Markup(
  `:root{color-scheme:light dark;${light}}@media screen and (prefers-color-scheme:dark){:root{${dark}}}${base}${looks}@media print{:root{color-scheme:light}${print}}`,
);
