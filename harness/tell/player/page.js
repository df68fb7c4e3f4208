"use strict";
// The player. It sets text and never markup, so that nothing a program said can become a part of the page.
(() => {
    const told = JSON.parse(document.getElementById("data").textContent);
    const LETTERS = "abcdefghijklmnopqrstuvwxyz";
    const UNKNOWN = "\ue000";       // a byte that no record kept
    const AROUND = 40;              // moments that are listed before and behind the present one

    // Where the reader is.
    let number = 0;                 // which run
    let at = 0;                     // which moment of it
    let focus = "";                 // "" or the one program that is shown
    let playing = 0;                // the timer while it plays
    let other = -1;                 // the run that it is compared with

    const make = (tag, more = {}, ...inside) => {
        const one = document.createElement(tag);
        for (const [name, value] of Object.entries(more))
            if (name.startsWith("on")) one.addEventListener(name.slice(2), value);
            else if (value === true) one.setAttribute(name, "");
            else if (value !== false) one.setAttribute(name, value);
        one.append(...inside);
        return one;
    };
    const drawn = (tag, more) => {
        const one = document.createElementNS("http://www.w3.org/2000/svg", tag);
        for (const [name, value] of Object.entries(more)) one.setAttribute(name, value);
        return one;
    };
    // The last place of a sorted list whose number is at most n; -1 if there is none.
    const last = (list, n, of) => {
        let low = 0, high = list.length;
        while (low < high) {
            const middle = (low + high) >> 1;
            if (of(list[middle]) <= n) low = middle + 1; else high = middle;
        }
        return low - 1;
    };

    // -- a run, made ready: what is asked at each moment is found by a search ---------------------------------------------
    function ready(run) {
        run.lines = run.names.map(() => []);            // by program: the moments that have a place in the source
        run.threads = new Map();                        // by thread: its calls as [entry, return or -1, moment]
        run.marked = new Set(run.marks.map((one) => one.e));
        run.steps.forEach((step, n) => {
            if (step.s && step.w >= 0) run.lines[step.w].push(n);
            if (step.k !== "call" && step.k !== "return") return;
            if (!run.threads.has(step.i)) run.threads.set(step.i, { w: step.w, calls: [], name: run.threadNames[step.i] || "" });
            const calls = run.threads.get(step.i).calls;
            if (step.k === "call") calls.push([step.e, -1, n]);
            else if (calls.length) calls[calls.length - 1][1] = step.e;
        });
    }
    told.runs.forEach(ready);
    const run = () => told.runs[number];
    const step = () => run().steps[at];
    const name = (w) => (w >= 0 ? run().names[w] : "nobody");
    const seconds = (t) => (t / 1e6).toFixed(3);

    // -- the page ---------------------------------------------------------------------------------------------------------
    const page = document.getElementById("player");
    const heading = make("p", {}), again = make("p", { class: "faint" });
    const runs = make("div", { class: "row", role: "group", "aria-label": "runs" });
    const slider = make("input", { type: "range", min: 0, value: 0, "aria-label": "moment of the run", oninput: () => go(Number(slider.value)) });
    const place = make("output", { class: "mono" });
    const play = make("button", { type: "button", onclick: toggle }, "play");
    const strip = drawn("svg", { class: "strip", preserveAspectRatio: "none", role: "img" });
    const legend = make("p", { class: "legend faint" });
    const now = make("p", { class: "now", "aria-live": "polite" });
    const decided = make("p", { class: "mark" });
    const panes = ["first", "second"].map((which) => {
        const choice = make("select", { "aria-label": `program in the ${which} pane`, onchange: show });
        const title = make("h2", {}), file = make("span", { class: "faint mono" }), list = make("ol", { class: "source mono", tabindex: 0 });
        const calls = make("ul", { class: "calls" });
        const panel = make("section", { class: `panel ${which}` }, title, calls, make("div", { class: "row" }, choice, file), list);
        return { choice, title, calls, file, list, panel, shown: "" };
    });
    const moments = make("ol", { class: "moments", "aria-label": "moments" });
    const ways = make("div", { class: "ways" });
    const others = make("section", { class: "panel" });      // programs that have no pane
    const story = make("ul", { class: "said" });
    const compare = make("section", { class: "panel" });
    const button = (text, title, what) => make("button", { type: "button", title, "aria-label": title, onclick: what }, text);
    page.append(
        make("div", { class: "row top" }, make("h1", {}, told.title), button("light / dark", "light / dark", theme)),
        heading, again, runs,
        make("section", { class: "controls", "aria-label": "controls" },
            make("div", { class: "row" },
                button("|<", "first moment (Home)", () => go(0)), button("<", "one moment back (left arrow)", () => go(at - 1)),
                play, button(">", "one moment on (right arrow)", () => go(at + 1)),
                button(">|", "last moment (End)", () => go(run().steps.length - 1)), slider, place),
            strip, legend, now, decided),
        make("div", { class: "grid" }, panes[0].panel,
            make("section", { class: "panel middle" }, make("h2", {}, "moments"), moments), panes[1].panel),
        others,
        make("section", { class: "panel" }, make("h2", {}, "where the bytes are"), ways),
        make("section", { class: "panel" }, make("h2", {}, "what happened, and why"), story),
        compare);

    function theme() {
        const dark = matchMedia("(prefers-color-scheme: dark)").matches;
        const root = document.documentElement;
        root.dataset.theme = (root.dataset.theme || (dark ? "dark" : "light")) === "dark" ? "light" : "dark";
    }

    // -- going about ------------------------------------------------------------------------------------------------------
    function go(n) {
        at = Math.max(0, Math.min(run().steps.length - 1, n));
        show();
        if (!playing) note();
    }
    function goTo(e) { go(Math.max(0, last(run().steps, e, (one) => one.e))); }
    function choose(n) {
        const e = run().steps.length ? step().e : 0;
        number = n;
        whole();
        runs.children[n].focus({ preventScroll: true });
        goTo(e);
    }
    function stop() {
        clearTimeout(playing);
        playing = 0;
        play.textContent = "play";
        note();
    }
    function toggle() {
        if (playing) { stop(); return; }
        if (at === run().steps.length - 1) at = 0;
        play.textContent = "stop";
        const next = () => {
            go(at + 1);
            if (at < run().steps.length - 1) playing = setTimeout(next, 600); else stop();
        };
        playing = setTimeout(next, 600);
    }
    // The address names what is shown: #step=48&run=b&focus=client&with=c
    function note() {
        const parts = [`step=${step().e}`];
        if (told.runs.length > 1) parts.push(`run=${LETTERS[number]}`);
        if (focus) parts.push(`focus=${encodeURIComponent(focus)}`);
        if (other >= 0) parts.push(`with=${LETTERS[other]}`);
        try { history.replaceState(null, "", "#" + parts.join("&")); } catch { /* too many at once: the address may lag behind */ }
    }
    function follow() {
        const asked = new URLSearchParams(location.hash.slice(1));
        const letter = (text) => { const n = LETTERS.indexOf(text || "-"); return n < told.runs.length ? n : -1; };
        number = Math.max(0, letter(asked.get("run")));
        other = letter(asked.get("with"));
        focus = run().names.includes(asked.get("focus")) ? asked.get("focus") : "";
        whole();
        const e = Number.parseInt(asked.get("step"), 10);
        if (!Number.isNaN(e)) goTo(e);
        else go(run().stop === "deadlock" || run().stop === "waiting" ? run().steps.length - 1 : 0);      // who is stuck is seen at once
    }
    document.addEventListener("keydown", (key) => {
        const tag = key.target.tagName;
        if (key.ctrlKey || key.altKey || key.metaKey || tag === "SELECT") return;
        const acts = { ArrowLeft: () => go(at - 1), ArrowRight: () => go(at + 1), Home: () => go(0), End: () => go(run().steps.length - 1) };
        if (key.key === " " && tag !== "BUTTON") acts[" "] = toggle;
        if (!acts[key.key]) return;
        key.preventDefault();
        acts[key.key]();
    });
    addEventListener("hashchange", follow);

    // -- what changes with the run ----------------------------------------------------------------------------------------
    function whole() {
        const one = run();
        heading.textContent = one.heading;
        again.textContent = `${one.began ? `run at ${one.began.replace("T", " ").replace("Z", " UTC")}; ` : ""}${one.skipped ? "its pauses took no time; " : ""}again: ${one.reproduce}`;
        runs.replaceChildren(...(told.runs.length < 2 ? [] : told.runs.map((each, n) =>
            make("button", { type: "button", "aria-pressed": String(n === number), onclick: () => choose(n) }, `${LETTERS[n]}: ${each.heading}`))));
        slider.max = one.steps.length - 1;
        panes.forEach((pane, n) => {
            pane.choice.replaceChildren(...one.names.map((each, w) => make("option", { value: w }, each)));
            pane.choice.value = n ? one.names.length - 1 : 0;
            pane.choice.hidden = one.names.length < 3;
            pane.shown = "";
        });
        // A finding has its moment: a button leads there. It stands behind its sentence, where that is among the story's.
        const leads = (mark) => make("button", { type: "button", onclick: () => goTo(mark.e) }, `go to e${mark.e}`);
        const rest = new Set(one.marks);
        story.replaceChildren(...one.sentences.map((each) => {
            const mine = one.marks.filter((mark) => each.startsWith(mark.words));
            mine.forEach((mark) => rest.delete(mark));
            return make("li", {}, `${each} `, ...mine.map(leads));
        }), ...[...rest].map((mark) => make("li", {}, `${mark.words} `, leads(mark))), ...one.unseen.map((each) => make("li", { class: "faint" }, each)));
        story.parentNode.hidden = !story.children.length;
        density();
        sideBySide();
    }

    // Under the slider: who did something when; the findings; the share of the continuations that end as this run does.
    function density() {
        const one = run(), count = one.steps.length, rows = 3, buckets = Math.min(count, 250), size = 1000 / buckets;
        const high = one.shares.length ? 46 : 24;
        strip.replaceChildren();
        strip.setAttribute("viewBox", `0 0 1000 ${high}`);
        strip.setAttribute("class", one.shares.length ? "strip curve" : "strip");
        const rest = one.names.slice(1), keys = [["w0", `top: ${one.names[0] || "nobody"}`], ["wire", "middle: the wire"]];
        if (rest.length) keys.push(["w1", `bottom: ${rest.length > 3 ? "the others" : rest.join(", ")}`]);
        if (one.marks.length) keys.push(["mark", "upright line: explained at the end"]);
        if (one.shares.length) keys.push(["", "curve: how many of the schedules that go like this one up to there end like it"]);
        strip.setAttribute("aria-label", `who did something when. ${keys.map(([, words]) => words).join("; ")}`);
        legend.replaceChildren(...keys.map(([kind, words]) => make("span", { class: kind }, words)));
        const seen = new Set();
        one.steps.forEach((each, n) => {
            const row = each.k === "segment" ? 1 : each.w === 0 ? 0 : 2, bucket = Math.floor(n * buckets / count);
            if (seen.has(bucket * rows + row)) return;
            seen.add(bucket * rows + row);
            strip.append(drawn("rect", { x: bucket * size, y: 2 + row * 7, width: Math.max(size - 1, 1), height: 5, fill: `var(--${["first", "wire", "second"][row]})` }));
        });
        const x = (e) => (last(one.steps, e, (each) => each.e) + 0.5) * 1000 / count;
        for (const mark of one.marks) strip.append(drawn("rect", { x: x(mark.e) - 1, y: 0, width: 2, height: high, fill: "var(--mark)" }));
        if (one.shares.length) {
            const mine = number, points = [];
            let y = 44;
            for (const [e, shares] of one.shares) {
                const all = shares.reduce((a, b) => a + b, 0);
                points.push(`${x(e)},${y}`);
                y = 44 - 18 * (all ? shares[mine] / all : 0);
                points.push(`${x(e)},${y}`);
            }
            points.push(`1000,${y}`);
            strip.append(drawn("polyline", { points: points.join(" "), fill: "none", stroke: "var(--text)", "stroke-width": 2, "vector-effect": "non-scaling-stroke" }));
        }
    }

    // -- what changes with the moment -------------------------------------------------------------------------------------
    function show() {
        const one = run(), moment = step();
        if (!moment) return;
        slider.value = at;
        const words = `e${moment.e}, ${seconds(moment.t)} s: ${sentence(moment)}`;
        slider.setAttribute("aria-valuetext", words);
        place.textContent = `${at + 1} of ${one.steps.length}`;
        now.textContent = words;
        decided.textContent = one.shares.length ? shares(one, moment) : "";
        panes.forEach(source);
        list();
        ways.replaceChildren(...one.ways.map(way));
        const apart = one.names.map((_, w) => w).filter((w) => panes.every((pane) => Number(pane.choice.value) !== w) && [...one.threads.values()].some((each) => each.w === w));
        others.hidden = !apart.length || focus !== "";
        others.replaceChildren(...apart.flatMap((w) => [make("h2", {}, one.names[w]), make("ul", { class: "calls" }, ...calls(w))]));
    }
    function sentence(moment) {
        const who = moment.k === "segment" ? `the ${name(moment.w)}'s kernel sends` : `the ${name(moment.w)}`;
        const verb = { line: "says", call: "calls", return: "gets back:", output: "prints", segment: "", start: "", end: "" }[moment.k];
        const where = moment.s ? ` (${moment.s})` : "";
        const on = moment.c ? ` on connection ${moment.c}` : "";
        return `${who} ${verb ? verb + " " : ""}${moment.x}${moment.k === "line" || moment.k === "output" ? "" : on}${where}`;
    }
    function shares(one, moment) {
        const n = last(one.shares, moment.e, (each) => each[0]);
        const now_ = n < 0 ? null : one.shares[n][1];
        const text = now_ === null ? "" : "Of the schedules that go like this one up to here: " +
            one.outcomes.map((each, k) => `${now_[k]} end${now_[k] === 1 ? "s" : ""} so: ${each}`).filter((_, k) => now_[k]).join("; ") + ".";
        return one.decided && moment.e >= one.decidedAt ? `${text} ${one.decided}` : text;
    }

    function source(pane) {
        const one = run(), w = Number(pane.choice.value), mine = one.lines[w] || [];
        pane.panel.hidden = focus !== "" && one.names[w] !== focus || one.names.length < 2 && pane === panes[1];
        pane.title.textContent = one.names[w] || "";
        pane.calls.replaceChildren(...calls(w));
        const found = last(mine, at, (n) => n);
        const where = found < 0 ? "" : one.steps[mine[found]].s;
        const colon = where.lastIndexOf(":"), file = colon < 0 ? one.main[one.names[w]] || "" : where.slice(0, colon);
        const text = one.sources[file];
        if (pane.shown !== `${number} ${file}`) {
            pane.shown = `${number} ${file}`;
            pane.list.replaceChildren(...(text ? text.lines : []).map((line, n) =>
                make("li", {}, make("span", { class: "n" }, String(n + 1)), make("span", { class: "code" }, line))));
            pane.list.setAttribute("aria-label", file);
        }
        const states = { run: `as it was run (sha256 ${text && text.hash})`, changed: "has changed since this run: its text is not shown", "": "as it was when this page was made" };
        pane.list.hidden = !text || !text.lines.length;
        pane.file.textContent = text ? `${file}: ${states[text.state]}` : where ? `${where} (its source is not on this page)` :
            mine.length ? "no place in its source is known yet" : "no place in its source is known";
        for (const each of pane.list.querySelectorAll(".lit, .also")) { each.className = ""; each.removeAttribute("aria-current"); }
        const thread = found < 0 ? 0 : one.steps[mine[found]].i;
        const others = new Set();       // where its other threads are
        for (let n = found; n >= 0 && n > found - 200; n--) {
            const each = one.steps[mine[n]];
            if (each.i === thread || others.has(each.i)) continue;
            others.add(each.i);
            if (each.s.startsWith(`${file}:`)) mark(pane, each.s, "also");
        }
        const lit = where && mark(pane, where, "lit");
        if (lit) {
            lit.setAttribute("aria-current", "true");
            pane.list.scrollTop = Math.max(0, lit.offsetTop - pane.list.offsetTop - pane.list.clientHeight / 2);
        }
    }
    function mark(pane, where, how) {
        const line = pane.list.children[Number(where.slice(where.lastIndexOf(":") + 1)) - 1];
        if (line) line.className = how;
        return line;
    }

    function list() {
        const one = run(), from = Math.max(0, at - AROUND), rows = [];
        const held = moments.contains(document.activeElement);      // the row with the keyboard's focus is made anew
        const here = (each) => focus === "" || name(each.w) === focus || each.k === "segment";
        for (let n = from; n < Math.min(one.steps.length, at + AROUND + 1); n++) {
            const each = one.steps[n];
            if (n !== at && !here(each)) continue;
            const what = each.a && each.a.length ? `${each.x}   · ${each.a.join(", ")}` : each.x;
            rows.push(make("li", { class: `k-${each.k} ${n === at ? "lit" : ""} ${one.marked.has(each.e) ? "marked" : ""}`, "aria-current": n === at ? "true" : false },
                make("button", { type: "button", class: "mono", tabindex: n === at ? 0 : -1, onclick: () => go(n) },
                    make("span", { class: "e" }, `e${each.e}`), make("span", { class: `w${Math.min(each.w, 1)}` }, each.k === "segment" ? `${name(each.w)} → ` : `${name(each.w)}: `), what)));
        }
        moments.replaceChildren(...rows);
        const lit = moments.querySelector(".lit");
        if (lit) moments.scrollTop = Math.max(0, lit.offsetTop - moments.offsetTop - moments.clientHeight / 2);
        if (lit && held) lit.firstChild.focus({ preventScroll: true });
    }

    function way(one) {
        const found = last(one.changes, step().e, (each) => each[0]);
        const [, state, written, sent, arrived, acked, read, taking, gone, refused, fin] = found < 0 ? [0, "", 0, 0, 0, 0, 0, 0, 0, 0, 0] : one.changes[found];
        const from = name(one.from), to = name(one.to);
        const copies = last(one.held, step().e, (each) => each[0]), kept = copies < 0 ? "" : one.held[copies][1];
        const known = (n) => n !== null;
        const taken = known(read) ? Math.min(arrived, read + taking) : read;
        const queue = (text, low, high, unknown = "not known") => {
            const size = known(low) && known(high) ? Math.max(0, high - low) : null;
            return make("div", { class: `queue ${size ? "full" : ""}` }, make("span", {}, `${text}: ${size === null ? unknown : `${size} byte${size === 1 ? "" : "s"}`} `),
                make("span", { class: "mono" }, size ? bytes(one.bytes, low, high) : ""));
        };
        return make("div", {},
            make("p", {}, make("strong", {}, `connection ${one.c}: ${from} → ${to} `), make("span", { class: "state mono" }, `${from}'s end: ${state || (run().wire ? "no segment yet" : "state not known")}${kept && `; ${kept}`}`)),
            queue(state === "CLOSED" ? "never sent" : `not sent yet, in the ${from}'s kernel`, sent, written, known(sent) ? "not known before the write returns" : "not known"),
            ...(known(sent) && sent > arrived ? [queue(refused ? `sent, and refused by the ${to}'s kernel` : "sent, and not arrived yet", arrived, sent)] : []),
            queue(gone ? `never read: gone with the ${to}'s socket` : `not read yet, in the ${to}'s kernel`, taken, arrived),
            ...(taken > read ? [queue(`in a read of the ${to} that waits for more`, read, taken)] : []),
            queue(`read by the ${to}`, 0, read),
            ...inside(one, to, read),
            make("p", { class: "faint" }, `acknowledged: ${known(acked) ? acked : "not known"}${known(written) ? `${known(acked) ? " of" : ";"} ${written} written` : ""}.${fin ? ` A FIN has gone${sent ? ` behind byte ${sent}` : ""}: the ${from} sends no more.` : ""}`));
    }
    // A program may have read bytes that it has not told of: they lie in a buffer of its own, or are lost there.
    function inside(one, to, read) {
        const found = last(one.told, step().e, (each) => each[0]), lines = found < 0 ? 0 : one.told[found][1];
        if (!one.told.length || read === null || lines >= read) return [];
        return [make("div", { class: "queue full" }, `no line of the ${to}'s log tells of the last ${read - lines === 1 ? "byte" : `${read - lines} bytes`} of these: `,
            make("span", { class: "mono" }, bytes(one.bytes, lines, read)))];
    }
    const SIGNS = { "\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\" };
    function bytes(text, low, high) {
        const shown = [...text.slice(low, high)].map((c) => SIGNS[c] || (c === UNKNOWN ? "·" : c < " " || c > "~" ? "\\x" + c.charCodeAt(0).toString(16).padStart(2, "0") : c));
        const missing = high - low - shown.length;
        if (!shown.length) return "(this page did not keep them)";
        const whole_ = shown.length > 80 ? `${shown.slice(0, 50).join("")} ... ${shown.slice(-20).join("")}` : shown.join("");
        return `"${whole_}"` + (missing > 0 ? ` and ${missing} bytes that this page did not keep` : "");
    }

    // In which calls the threads of a program are.
    function calls(w) {
        const one = run(), e = step().e, rows = [];
        let begun = false;
        for (const [tid, thread] of one.threads) {
            if (thread.w !== w) continue;
            const found = last(thread.calls, e, (each) => each[0]);
            if (found < 0) continue;
            begun = true;
            const [entry, back, n] = thread.calls[found];
            if (back >= 0 && back <= e || one.ended[tid] <= e) continue;
            const who = thread.name && `${thread.name} is `;
            const ever = back < 0 && at === one.steps.length - 1;
            const on = one.steps[n].c ? `, on connection ${one.steps[n].c}` : "";
            rows.push(make("li", { class: ever ? "ever" : "" }, `${who}in ${one.steps[n].x} since e${entry}${on}${ever ? "; it never returned" : ""}`));
        }
        const mine = [...one.threads].filter(([, thread]) => thread.w === w);
        const none = !begun ? "no call of it was seen yet" : !mine.every(([tid]) => one.ended[tid] <= e) ? "in none of the calls shown here"
            : mine.some(([, thread]) => thread.name.startsWith("process")) ? "its processes that made a call have ended" : "its process has ended";
        return rows.length ? rows : [make("li", { class: "faint" }, none)];
    }

    // -- two runs side by side --------------------------------------------------------------------------------------------
    function sideBySide() {
        compare.hidden = told.runs.length < 2;
        if (compare.hidden) return;
        const choice = make("select", { "aria-label": "the run to compare with", onchange: () => { other = Number(choice.value); sideBySide(); compare.querySelector("select").focus({ preventScroll: true }); note(); } },
            make("option", { value: -1 }, "no other run"), ...told.runs.map((each, n) => make("option", { value: n }, `${LETTERS[n]}: ${each.heading}`)));
        choice.value = other;
        compare.replaceChildren(make("h2", {}, "side by side with"), choice);
        if (other < 0) return;
        const said = (each) => each.steps.flatMap((one) => (one.k === "line" ? [one.x] : one.a || []).map((text) => [one.e, `${one.w >= 0 ? each.names[one.w] : "nobody"}: ${text}`]));
        const both = [said(run()), said(told.runs[other])];
        let same = 0;
        while (same < both[0].length && same < both[1].length && both[0][same][1] === both[1][same][1]) same++;
        compare.append(make("p", {}, same < Math.max(both[0].length, both[1].length) ? `They go alike for ${same} lines. The thick line shows where they part.` : "The lines of both are the same."),
            make("div", { class: "pair mono" }, ...both.map((lines, n) => make("ol", { "aria-label": `run ${LETTERS[n ? other : number]}` },
                ...lines.map(([e, text], k) => make("li", { class: k === same ? "parts" : "" }, make("span", { class: "e" }, `e${e}`), text))))));
    }

    follow();
})();
