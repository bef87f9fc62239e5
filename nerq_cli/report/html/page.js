
"use strict";
(() => {
  const STATES = ["below", "unknown", "not-judged", "ok", "skipped"];
  const GLYPHS = { ok: "✔", below: "✖", unknown: "?", "not-judged": "!", skipped: "–" };
  const PREFIXES = { PyPI: "pypi", npm: "npm", github: "github", huggingface: "hf", "huggingface-dataset": "hf", "huggingface-space": "hf", "huggingface-kernel": "hf" };
  const KIND_NAMES = { package: "", repository: "repository", model: "model", dataset: "dataset", space: "Space", kernel: "kernel", "mcp-server": "MCP server", "hosted-model": "hosted model" };
  // A commit has 12 digits in prose; the data have all of them.
  const shortVersion = (version) => (/^[0-9a-f]{40}$/i.test(version || "") ? version.slice(0, 12) : version);
  const SEVERITIES = ["low", "medium", "high", "critical"];
  const PAGE_ROWS = 100;
  const DAY = 86400000;

  // Elements are made of text only: no text is ever read as HTML.
  const add = (parent, ...children) => {
    for (const child of children.flat()) {
      if (child !== null && child !== undefined && child !== false && child !== "") parent.append(child);
    }
    return parent;
  };
  const el = (name, attributes, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (key === "onclick") element.addEventListener("click", value);
      else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
    }
    return add(element, ...children);
  };
  const byId = (id) => document.getElementById(id);
  const number = (value) => value.toLocaleString("en-US");
  const plural = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

  const webLink = (url, label) => {
    let parsed = null;
    try {
      parsed = new URL(url);
    } catch {
      return label || url;
    }
    if (parsed.protocol !== "https:" && parsed.protocol !== "http:") return label || url;
    return el("a", { href: parsed.href, rel: "noreferrer noopener external", target: "_blank" }, label || url);
  };

  // --- data

  const unpack = (column, count) => {
    if (column.values) return column.values;
    if (column.table) return column.indexes.map((index) => column.table[index]);
    if (column.keys) {
      const rows = Array.from({ length: count }, () => ({}));
      for (const [key, values] of Object.entries(column.keys)) {
        unpack(values, count).forEach((value, row) => {
          if (value !== undefined) rows[row][key] = value;
        });
      }
      return rows;
    }
    if (column.counts) {
      const lists = column.counts.map(() => []);
      const items = unpack(column.items, column.counts.reduce((sum, length) => sum + length, 0));
      let next = 0;
      let open = lists.map((list, row) => [list, column.counts[row]]);
      for (let position = 0; (open = open.filter((pair) => pair[1] > position)).length; position += 1) {
        for (const [list] of open) list.push(items[next++]);
      }
      return lists;
    }
    const present = unpack(column.rows, column.has.reduce((sum, has) => sum + has, 0));
    let taken = 0;
    return column.has.map((has) => (has ? present[taken++] : "else" in column ? null : undefined));
  };

  const readReport = async () => {
    const text = atob(byId("nerq-report").textContent);
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const packed = JSON.parse(await new Response(stream).text());
    const report = packed.document;
    for (const [key, blocks] of Object.entries(packed.lists)) report[key] = blocks.flatMap((block) => unpack(block.column, block.count));
    return report;
  };

  // --- words, as in the text report

  const scoreCeiling = (one) => {
    if (one.score !== null && one.score !== undefined) return one.score;
    const limits = (one.caps || []).map((cap) => cap.limit);
    return limits.length ? Math.min(...limits) : null;
  };
  const formatScore = (one) => {
    const ceiling = scoreCeiling(one);
    if (ceiling === null) return "";
    const sign = one.score === null ? "≤" : one.provisional ? "~" : "";
    return sign + ceiling.toFixed(1);
  };
  const formatAge = (moment, asOf) => {
    if (!moment) return "";
    const days = Math.max(0, Math.floor(Date.parse(asOf) / DAY) - Math.floor(Date.parse(moment) / DAY));
    if (days < 60) return plural(days, "day");
    if (days < 730) return `${Math.round(days / 30.44)} months`;
    return `${(days / 365.25).toFixed(0)} years`;
  };
  const formatLocation = (location) => (location.line ? `${location.path}:${location.line}` : location.path);
  const formatLocations = (locations) =>
    locations.length ? formatLocation(locations[0]) + (locations.length > 1 ? ` +${locations.length - 1}` : "") : "";
  const thresholdOf = (report, one) => one.threshold ?? report.threshold;
  const stateLabel = (threshold, state) =>
    state === "below" ? (threshold ? `below ${threshold}` : "malicious") : state.replace("-", " ");
  const stateElement = (threshold, state) =>
    el("span", { class: `state state-${state}` }, el("span", { class: "glyph", "aria-hidden": "true" }, GLYPHS[state]), " ", stateLabel(threshold, state));
  const describeUpgrade = (threshold, upgrade) => {
    const details = [upgrade.score === null ? "not scored" : `scores ${upgrade.provisional ? "~" : ""}${upgrade.score.toFixed(1)}`];
    if (upgrade.score !== null && upgrade.score < threshold) details.push(`still below ${threshold}`);
    if (!upgrade.in_range) details.push("outside the declared range");
    return details.join(" · ");
  };
  const formatWait = (seconds) => {
    const [size, noun] = seconds > 2 * 86400 ? [86400, "day"] : [3600, "hour"];
    return plural(Math.max(1, Math.ceil(seconds / size)), noun);
  };
  const describeWait = (report, one) => {
    if (one.installable === "later") return `installable in ${formatWait((Date.parse(one.installable_at) - Date.parse(report.as_of)) / 1000)}`;
    if (one.installable === "never") return "not installable while this date stands";
    return one.installable === "unknown" ? "not known whether it can be installed today" : "";
  };
  const describeAvailability = (report, one) => {
    if (!one.installable) return "";
    if (one.installable === "now") return "installable today: no minimum age that is set leaves it out";
    const rules = one.age_rules.map((rule) => `${rule.setting} = ${rule.value}${rule.location.path ? ` (${formatLocation(rule.location)})` : ""}`);
    const isFix = one.upgrade ? one.upgrade.fixed_advisories.length : one.advisories.length;
    const lines = [...new Set(one.age_rules.map((rule) => rule.override).filter(Boolean))];
    return `${describeWait(report, one)} (${rules.join(", ")})${isFix && lines.length ? `, or today with: ${lines.join(" and ")}` : ""}`;
  };

  // --- the page

  const start = (report) => {
    const dependencies = report.dependencies;
    const byCard = new Map();
    const byName = new Map();
    const projectOf = new Map();
    for (const project of report.projects) for (const file of project.dependency_files) projectOf.set(file, project.path);
    const findProject = (path) => {
      if (projectOf.has(path)) return projectOf.get(path);
      for (const [file, project] of projectOf) if (path.startsWith(`${file}/`)) return project;
      return "";
    };
    dependencies.forEach((one, index) => {
      one.card = byCard.has(one.purl) ? `${one.purl}~${index}` : one.purl;
      byCard.set(one.card, one);
      const key = `${one.ecosystem} ${one.name}`;
      if (!byName.has(key)) byName.set(key, []);
      byName.get(key).push(one);
      one.projects = [...new Set(one.locations.map((location) => findProject(location.path)))];
      const ids = (one.advisories || []).flatMap((advisory) => [advisory.id, ...advisory.aliases]);
      one.haystack = [one.name, one.version || "", ...one.aliases, ...(one.reasons || []), ...ids].join("\n").toLowerCase();
    });

    const findCard = (purl) => {
      if (byCard.has(purl)) return byCard.get(purl);
      return dependencies.find((one) => one.purl.startsWith(`${purl}@`)) || null;
    };
    const findPath = (one) => {
      if (one.direct) return [one.name];
      const known = (name) => byName.get(`${one.ecosystem} ${name}`) || [];
      const children = new Map([...one.parents].sort(compare).map((parent) => [parent, one.name]));
      const queue = [...children.keys()];
      for (const name of queue) {
        if (known(name).some((other) => other.direct)) {
          const path = [name];
          while (path[path.length - 1] !== one.name) path.push(children.get(path[path.length - 1]));
          return path;
        }
        for (const parent of [...new Set(known(name).flatMap((other) => other.parents))].sort(compare)) {
          if (!children.has(parent) && parent !== one.name) {
            children.set(parent, name);
            queue.push(parent);
          }
        }
      }
      return [...one.via.slice(0, 1), one.name];
    };

    // --- card

    const dialog = el("dialog", { class: "card", "aria-labelledby": "card-title" });
    document.body.append(dialog);
    const section = (title, ...children) => el("section", null, el("h3", null, title), ...children);
    const from = (item) => [item.source, (item.retrieved_at || "").slice(0, 10)].filter(Boolean).join(" ");
    const cardLink = (one, label) => el("button", { type: "button", class: "card-link", onclick: () => openCard(one) }, label);

    const drawLadder = (one) => {
      const threshold = thresholdOf(report, one);
      const rungs = [["in use", shortVersion(one.version), formatScore(one), one.released_at, one.state]];
      const stateOf = (upgrade) => (upgrade.passes ? "ok" : upgrade.score === null ? "unknown" : upgrade.score < threshold ? "below" : "unknown");
      const scoreOf = (upgrade) => (upgrade.score === null ? "not scored" : (upgrade.provisional ? "~" : "") + upgrade.score.toFixed(1));
      if (one.upgrade) {
        rungs.push(["proposed", one.upgrade.version, scoreOf(one.upgrade), one.upgrade.released_at, stateOf(one.upgrade), describeUpgrade(threshold, one.upgrade)]);
      }
      if (one.latest_version && one.latest_version !== one.version) {
        const isProposed = one.upgrade && one.upgrade.version === one.latest_version;
        if (isProposed) rungs[1][0] = "proposed, and the newest";
        else {
          const newest = one.latest_upgrade;
          rungs.push(["newest", one.latest_version, newest ? scoreOf(newest) : "not scored", one.latest_released_at, newest ? stateOf(newest) : ""]);
        }
      }
      const age = (moment) => (moment ? `${formatAge(moment, report.as_of)} old (${moment.slice(0, 10)})` : "age not known");
      return el("ol", { class: "ladder" }, ...rungs.map(([name, version, score, moment, state, note]) =>
        el("li", { class: `rung-${state}` },
          el("p", { class: "rung" }, name),
          el("p", null, el("span", { class: "version" }, version || "not known"), " ", el("span", null, score)),
          el("p", { class: "sub" }, age(moment)),
          state === "ok" || state === "below" ? el("p", { class: "sub" }, state === "ok" ? `✔ reaches ${threshold}` : `✖ below ${threshold}`) : null,
          note ? el("p", { class: "sub" }, note.split(" · ").slice(1).join(" · ")) : null)));
    };

    const drawDimensions = (one) => {
      const rows = Object.entries(one.dimensions || {}).flatMap(([name, value]) => {
        const signals = one.signals.filter((signal) => signal.dimension === name && signal.state !== "not_applicable");
        const weight = (list) => list.reduce((sum, signal) => sum + signal.weight, 0);
        const known = signals.filter((signal) => signal.state === "known");
        const total = weight(signals);
        const unknown = total ? 1 - weight(known) / total : 1;
        const points = total ? known.reduce((sum, signal) => sum + signal.weight * signal.value, 0) / total : 0;
        const fill = el("span", { class: value !== null && value < thresholdOf(report, one) ? "fill low" : "fill" });
        const hatched = el("span", { class: "hatched" });
        fill.style.width = `${points}%`;
        hatched.style.width = `${unknown * 100}%`;
        const text = [value === null ? "unknown" : value.toFixed(1), unknown > 0.004 ? `${Math.round(unknown * 100)} % unknown` : ""].filter(Boolean);
        return [
          el("span", null, name),
          el("span", { class: "track", "aria-hidden": "true" }, fill, el("span", { class: "gap" }), hatched),
          el("span", { class: "num" }, [...new Set(text)].join(" · ")),
        ];
      });
      return [
        el("div", { class: "bars" }, ...rows),
        el("p", { class: "legend sub" },
          el("span", null, el("i", { class: "fill" }), "points"),
          el("span", null, el("i"), "points lost"),
          el("span", null, el("i", { class: "hatched" }), "unknown: counts neither way")),
      ];
    };

    const drawSignals = (one) => {
      const body = el("tbody");
      for (const dimension of Object.keys(one.dimensions || {})) {
        body.append(el("tr", { class: "dimension" }, el("th", { scope: "rowgroup", colspan: "5" }, dimension)));
        for (const signal of one.signals.filter((item) => item.dimension === dimension)) {
          const value = signal.state === "known" ? signal.value.toFixed(1) : signal.state === "unknown" ? "? unknown" : "n/a";
          body.append(el("tr", null,
            el("td", null, el("span", { class: "label" }, signal.label), signal.name),
            el("td", { class: "num" }, value),
            el("td", { class: "num sub" }, `w ${signal.weight}`),
            el("td", { class: "num sub" }, signal.contribution === null || signal.state !== "known" ? "" : `${signal.contribution.toFixed(2)} p`),
            el("td", { class: "reason" }, signal.reason, " ", el("span", { class: "sub" }, from(signal)))));
        }
      }
      const head = ["Signal", "Value", "Weight", "Points", "Reason, source, date"].map((name, n) => el("th", { scope: "col", class: n && n < 4 ? "num" : null }, name));
      return el("table", { class: "signals" }, el("thead", null, el("tr", null, ...head)), body);
    };

    const drawAdvisory = (advisory) => {
      const links = [...new Set([advisory.link, ...advisory.links].filter(Boolean))];
      const fixes = [...new Set([advisory.nearest_fix, advisory.newest_fix].filter(Boolean))];
      const chip = (word, kind) => el("span", { class: `chip chip-${kind || word}` }, word);
      const facts = [
        ["severity", advisory.severity + (advisory.severity_source ? ` (${advisory.severity_source})` : "")],
        ["exploited", advisory.known_exploited === null ? "not checked" : advisory.known_exploited ? "yes: in the catalogue of exploited vulnerabilities" : "not in the catalogue of exploited vulnerabilities"],
        ["EPSS", advisory.epss === null ? "not known" : `${(advisory.epss * 100).toFixed(1)} % probable to be exploited within 30 days`],
        ["affected", advisory.affected_range || "not stated"],
        ["fixed in", fixes.join(", newest fix ") || "no fix known"],
      ];
      return el("li", { class: "advisory" },
        el("p", { class: "title" }, el("strong", null, [advisory.id, ...advisory.aliases].join(" · ")),
          advisory.malware ? chip("malware") : chip(advisory.severity),
          advisory.known_exploited ? chip("known exploited", "exploited") : null),
        advisory.summary ? el("p", null, advisory.summary) : null,
        el("dl", { class: "facts-list" }, ...facts.flatMap(([name, value]) => [el("dt", null, name), el("dd", null, value)])),
        ...links.map((url) => el("p", null, webLink(url))));
    };

    const FEATURES = { builtin: "built in: ", expression: "expression: ", removal: "removal: ", "load-safely": "safe file: " };
    const drawAlternative = (item) => {
      const score = !item.name ? "" : item.score === null ? "not scored" : `score ${item.provisional ? "~" : ""}${item.score.toFixed(1)}`;
      const facts = [score, item.in_project ? "the project depends on it already" : ""].filter(Boolean).join(" · ");
      return el("li", null,
        el("strong", null, item.name || `${FEATURES[item.relation] || ""}${item.feature}`), item.version ? el("span", { class: "version" }, ` ${shortVersion(item.version)}`) : null,
        facts ? el("span", { class: "sub" }, ` ${facts}`) : null,
        el("p", null, item.reason), el("p", { class: "sub" }, webLink(item.source)));
    };

    const drawCard = (one, isAlone) => {
      const body = el("div", { class: "card-body" });
      const close = isAlone ? null : el("button", { type: "button", class: "card-close", onclick: () => dialog.close() }, "Close");
      add(body,
        el("div", { class: "card-head" },
          el("div", null,
            el("h2", isAlone ? null : { id: "card-title", tabindex: "-1" }, one.name + (one.extras.length ? `[${one.extras.join(",")}]` : ""), " ", el("span", { class: "version" }, shortVersion(one.version) || "")),
            el("p", { class: "sub" }, el("code", null, one.purl))),
          close));
      if (!report.list_only) {
        const facts = [];
        if (one.coverage !== null) facts.push(`coverage ${Math.round(one.coverage * 100)} % (${one.coverage_label})`);
        if (one.score_range && one.score_range[0] < one.score_range[1]) facts.push(`range ${one.score_range[0].toFixed(1)} to ${one.score_range[1].toFixed(1)}`);
        if (one.caps.length && one.uncapped_score !== null) facts.push(`${one.uncapped_score.toFixed(1)} before caps`);
        if (thresholdOf(report, one) !== report.threshold) facts.push(`threshold ${one.threshold} in place of ${report.threshold}`);
        if (one.provisional) facts.push("provisional");
        if (one.verified) facts.push("verified");
        add(body,
          el("p", { class: "score-line" }, el("span", { class: "big" }, formatScore(one) || "?"), one.grade ? el("span", { class: "big sub" }, one.grade) : null, stateElement(thresholdOf(report, one), one.state)),
          el("p", { class: "sub" }, facts.join(" · ")),
          one.reasons.length ? el("ul", { class: "reasons" }, ...one.reasons.map((reason) => el("li", null, reason))) : null,
          one.fix && !one.upgrade ? el("p", { class: "hint" }, `→ ${one.fix}`) : null);
        const availability = describeAvailability(report, one);
        if (one.version) body.append(section("Versions", drawLadder(one), availability ? el("p", { class: "availability" }, `${one.upgrade ? one.upgrade.version : one.fix}: ${availability}`) : null));
        if (one.signals.length) body.append(section("Dimensions", drawDimensions(one)));
        if (one.caps.length) {
          body.append(section("Caps: the score is at most the lowest", el("ul", { class: "findings" }, ...one.caps.map((cap) =>
            el("li", null, el("strong", null, `≤ ${cap.limit.toFixed(1)}`), " ", el("code", null, cap.id), " ", cap.reason, " ", el("span", { class: "sub" }, from(cap)))))));
        }
        const found = report.findings.filter((finding) => finding.purl && (finding.purl === one.purl || one.purl.startsWith(`${finding.purl}@`)));
        if (found.length) body.append(section("Findings", el("ul", { class: "findings" }, ...found.map((finding) => el("li", null, el("code", null, finding.id), " ", finding.text)))));
        if (one.alternatives && one.alternatives.length) body.append(section("Alternatives: what does the same job", el("ul", { class: "findings" }, ...one.alternatives.map(drawAlternative))));
        if (one.advisories.length) body.append(section(`Advisories: ${one.advisories.length}`, el("ul", null, ...one.advisories.map(drawAdvisory))));
      }
      const path = findPath(one);
      const steps = path.map((name, n) => {
        const other = (byName.get(`${one.ecosystem} ${name}`) || [])[0];
        return [n ? " → " : "", other && other !== one ? cardLink(other, name) : el("strong", null, name)];
      });
      add(body, section("Path",
        el("p", { class: "path" }, one.projects.filter(Boolean).map((project) => (project === "." ? "this directory" : project)).join(", "), " → ", ...steps.flat()),
        one.parents.length > 1 ? el("p", { class: "sub" }, `required by ${one.parents.join(", ")}`) : null,
        el("ul", { class: "tree" }, ...one.locations.map((location) => el("li", null, el("code", null, formatLocation(location))))),
        el("p", { class: "sub" }, [one.requirement ? `required: ${one.requirement}` : "", one.groups.length ? `groups: ${one.groups.join(", ")}` : ""].filter(Boolean).join(" · "))));
      if (!report.list_only) {
        if (one.signals.length) body.append(section("Signals", drawSignals(one)));
        const metadata = Object.entries(one.metadata || {});
        if (metadata.length) {
          body.append(section("Metadata", el("dl", { class: "facts-list" }, ...metadata.flatMap(([name, field]) => [
            el("dt", null, name.replace(/_/g, " ")),
            el("dd", null, typeof field.value === "string" ? webLink(field.value) : `${field.value}`, " ", el("span", { class: "sub" }, from(field))),
          ]))));
        }
      }
      return body;
    };

    let opener = null;
    const openCard = (one) => {
      if (!dialog.open) opener = document.activeElement;
      dialog.replaceChildren(drawCard(one));
      if (!dialog.open) dialog.showModal();
      dialog.scrollTop = 0;
      byId("card-title").focus();
      state.card = one.card;
      writeHash();
    };
    dialog.addEventListener("close", () => {
      state.card = "";
      writeHash();
      if (opener && opener.isConnected) opener.focus();
    });
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });

    // --- filters, kept in the address, so that a link leads to the same rows

    const KEYS = ["q", "state", "ecosystem", "kind", "group", "project", "direct", "affected", "sort", "card"];
    const state = Object.fromEntries(KEYS.map((key) => [key, ""]));
    const readHash = () => {
      const parameters = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
      for (const key of KEYS) state[key] = parameters.get(key) || "";
    };
    const writeHash = () => {
      const parameters = new URLSearchParams(KEYS.filter((key) => state[key]).map((key) => [key, state[key]]));
      const hash = parameters.toString();
      if (hash !== location.hash.slice(1)) history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
    };

    const download = () => {
      const plain = dependencies.map(({ card, haystack, projects, ...rest }) => rest);
      const url = URL.createObjectURL(new Blob([JSON.stringify({ ...report, dependencies: plain }, null, 2)], { type: "application/json" }));
      el("a", { href: url, download: "nerq.json" }).click();
      URL.revokeObjectURL(url);
    };
    byId("made-by").before(el("p", null, el("button", { type: "button", onclick: download }, "Save the report as JSON")));

    const table = byId("rows");
    if (!table) return;
    const body = table.tBodies[0];
    const result = el("p", { class: "result", role: "status" });
    const controls = {};
    const change = (key, value) => {
      state[key] = value;
      update();
    };
    const choice = (key, label, values) => {
      if (values.length < 2) return null;
      const select = el("select", { id: `filter-${key}` }, el("option", { value: "" }, "all"), ...values.map(([value, text]) => el("option", { value }, text)));
      select.addEventListener("change", () => change(key, select.value));
      controls[key] = select;
      return el("div", { class: "field half" }, el("label", { for: `filter-${key}` }, label), select);
    };
    const count = (list) => {
      const counts = new Map();
      for (const value of list) counts.set(value, (counts.get(value) || 0) + 1);
      return [...counts].sort((a, b) => b[1] - a[1] || compare(a[0], b[0])).map(([value, n]) => [value, `${value} (${number(n)})`]);
    };
    const search = el("input", { type: "search", id: "filter-q", autocomplete: "off", spellcheck: "false", placeholder: "name, reason, advisory" });
    search.addEventListener("input", () => change("q", search.value));
    controls.q = search;
    const clear = el("button", { type: "button", onclick: () => {
      for (const key of KEYS) if (key !== "sort" && key !== "card") state[key] = "";
      update();
      search.focus();
    } }, "Show all");
    const states = report.list_only ? [] : STATES.filter((name) => dependencies.some((one) => one.state === name)).map((name) => [name, stateLabel(report.threshold, name)]);
    const filters = el("form", { class: "filters", role: "search", "aria-label": "Filter the dependencies" },
      el("div", { class: "field search" }, el("label", { for: "filter-q" }, "Search"), search),
      choice("state", "State", states),
      choice("ecosystem", "Ecosystem", count(dependencies.map((one) => one.ecosystem))),
      choice("kind", "Kind", count(dependencies.map((one) => one.kind)).map(([value, text]) => [value, text.replace(value, KIND_NAMES[value] || value)])),
      choice("group", "Group", count(dependencies.flatMap((one) => one.groups))),
      choice("project", "Project", count(dependencies.flatMap((one) => one.projects.filter(Boolean)))),
      clear, result);
    filters.addEventListener("submit", (event) => event.preventDefault());
    // A report about one package shows its card in place of filters.
    table.before(dependencies.length === 1 && !report.list_only ? el("div", { class: "alone" }, drawCard(dependencies[0], true)) : filters);
    const pager = el("p", { class: "pager" });
    table.after(pager);
    const note = byId("row-count");
    if (note) note.remove();

    // --- rows

    const text = (values) => (a, b) => values(a).reduce((order, value, n) => order || compare(value, values(b)[n]), 0);
    const rank = (one) => (one.state ? STATES.indexOf(one.state) : STATES.length);
    const identity = (one) => [one.name, one.ecosystem, one.version || ""];
    const ORDERS = {
      state: text((one) => [rank(one), (one.state === "ok" || one.state === "skipped") && !one.advisories.length ? 1 : 0, scoreCeiling(one) ?? -1, ...identity(one)]),
      score: text((one) => [scoreCeiling(one) ?? Infinity, ...identity(one)]),
      name: text(identity),
      age: text((one) => [one.released_at ? -Date.parse(one.released_at) : Infinity, ...identity(one)]),
    };
    const firstOrder = report.list_only ? "name" : "state";
    let shownRows = [];
    let drawnCount = 0;

    const matches = (one) =>
      (!state.q || state.q.toLowerCase().split(/\s+/).every((word) => one.haystack.includes(word))) &&
      (!state.state || one.state === state.state) &&
      (!state.ecosystem || one.ecosystem === state.ecosystem) &&
      (!state.kind || one.kind === state.kind) &&
      (!state.group || one.groups.includes(state.group)) &&
      (!state.project || one.projects.includes(state.project)) &&
      (!state.affected || one.advisories.length > 0) &&
      (!state.direct || (one.direct ? one.name === state.direct : one.via.includes(state.direct)));

    const worstAdvisory = (one) => {
      const [worst, ...others] = one.advisories;
      if (!worst) return null;
      const kind = worst.malware ? "malware" : worst.severity;
      return el("span", { class: "sub advisory-id" }, el("code", null, worst.id), ` ${kind}${others.length ? ` +${others.length}` : ""}`);
    };
    const drawRow = (one) => {
      const origin = one.direct ? "direct" : one.via.length ? `via ${one.via.join(", ")}` : "indirect";
      const details = [PREFIXES[one.ecosystem] || one.purl.slice(4).split("/")[0], KIND_NAMES[one.kind], origin, formatLocations(one.locations)];
      const name = [cardLink(one, one.name), " ", one.version ? el("span", { class: "version" }, shortVersion(one.version)) : null, el("span", { class: "sub" }, details.filter(Boolean).join(" · "))];
      const cells = report.list_only
        ? [["name", name], ["why", [one.requirement || "any"]], ["why", [one.groups.join(", ")]], ["where", [el("code", null, formatLocations(one.locations))]]]
        : [
          ["state", [stateElement(thresholdOf(report, one), one.state)]],
          ["score num", [formatScore(one)]],
          ["name", name],
          ["age num", [formatAge(one.released_at, report.as_of)]],
          ["why", [one.reasons[0] || "", one.reasons.length > 1 ? el("span", { class: "sub" }, ` +${one.reasons.length - 1} more`) : null, worstAdvisory(one)]],
          ["fix", one.upgrade ? [el("span", { class: "version" }, one.upgrade.version), el("span", { class: "sub" }, [describeUpgrade(thresholdOf(report, one), one.upgrade), describeWait(report, one)].filter(Boolean).join(" · "))] : [one.fix]],
        ];
      return el("tr", { role: "row", class: one.state === "ok" || one.state === "skipped" ? "passed" : null }, ...cells.map(([kind, children]) => el("td", { class: kind, role: "cell" }, ...children)));
    };
    const drawMore = (limit) => {
      const next = shownRows.slice(drawnCount, drawnCount + limit);
      body.append(...next.map(drawRow));
      drawnCount += next.length;
      const left = shownRows.length - drawnCount;
      pager.hidden = !left;
      pager.replaceChildren();
      if (left) {
        const more = (limit_, label) => el("button", { type: "button", onclick: () => {
          const first = drawnCount;
          drawMore(limit_);
          body.rows[first].querySelector("button").focus();
        } }, label);
        add(pager, `${number(drawnCount)} of ${number(shownRows.length)} shown `, more(PAGE_ROWS, `Show ${Math.min(PAGE_ROWS, left)} more`), left > PAGE_ROWS ? more(left, "Show all") : null);
      }
    };
    const update = () => {
      const [key, direction] = (state.sort || firstOrder).replace(/^-/, " -").trim().startsWith("-") ? [state.sort.slice(1), -1] : [state.sort || firstOrder, 1];
      const order = ORDERS[key] || ORDERS[firstOrder];
      shownRows = dependencies.filter(matches).sort((a, b) => direction * order(a, b));
      drawnCount = 0;
      body.replaceChildren();
      drawMore(PAGE_ROWS);
      if (!shownRows.length) body.append(el("tr", { role: "row" }, el("td", { colspan: "6", role: "cell", class: "why empty" }, "No dependency matches.")));
      for (const heading of table.tHead.rows[0].cells) {
        if (heading.dataset.sort === key) heading.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
        else heading.removeAttribute("aria-sort");
      }
      const isFiltered = shownRows.length !== dependencies.length;
      result.textContent = `${isFiltered ? `${number(shownRows.length)} of ` : ""}${plural(dependencies.length, "dependency").replace(/ys$/, "ies")}${state.direct ? `, brought in by ${state.direct}` : ""}`;
      clear.hidden = !isFiltered;
      for (const [name, control] of Object.entries(controls)) if (control.value !== state[name]) control.value = state[name];
      for (const tile of document.querySelectorAll("button.tile")) tile.setAttribute("aria-pressed", `${tile.dataset.affected ? state.affected === "yes" : tile.dataset.state === state.state}`);
      writeHash();
    };
    const showTable = () => byId("dependencies").scrollIntoView();

    for (const heading of table.tHead.rows[0].cells) {
      const key = heading.dataset.sort;
      if (!key) continue;
      heading.replaceChildren(el("button", { type: "button", onclick: () => change("sort", (state.sort || firstOrder) === key ? `-${key}` : key) }, heading.textContent));
    }

    // --- what the page has as HTML becomes active

    for (const tile of document.querySelectorAll("span.tile")) {
      const [key, value] = tile.dataset.affected ? ["affected", "yes"] : ["state", tile.dataset.state];
      const button = el("button", { type: "button", class: "tile", [`data-${key}`]: value, "aria-pressed": "false", onclick: () => {
        change(key, state[key] === value ? "" : value);
        showTable();
      } });
      button.append(...tile.childNodes);
      tile.replaceWith(button);
    }
    const activateCards = (root) => {
      for (const name of root.querySelectorAll("[data-card]")) {
        const one = findCard(name.dataset.card);
        if (one) name.replaceWith(cardLink(one, name.textContent));
      }
    };
    activateCards(document.querySelector("main"));
    for (const box of document.querySelectorAll(".icicle [data-project]")) {
      box.classList.add("pick");
      box.addEventListener("click", () => {
        state.project = report.projects.length > 1 ? box.dataset.project : "";
        change("direct", box.dataset.direct || "");
        showTable();
      });
    }
    for (const name of document.querySelectorAll("th[data-direct], span[data-project]")) {
      const [key, value] = name.dataset.direct ? ["direct", name.dataset.direct] : ["project", name.dataset.project];
      name.replaceChildren(el("button", { type: "button", class: "card-link", onclick: () => {
        change(key, value);
        showTable();
      } }, name.textContent));
    }
    for (const more of document.querySelectorAll(".more[data-rest]")) {
      const rest = more.dataset.rest.split(" ").map((index) => report.findings[Number(index)]);
      const list = more.parentElement.querySelector(".findings");
      const show = () => {
        const items = rest.splice(0, PAGE_ROWS).map((finding) => {
          const one = finding.purl ? findCard(finding.purl) : null;
          const waiver = finding.waiver;
          const chips = [finding.severity, finding.change, waiver ? "waived" : ""].filter(Boolean);
          return el("li", null,
            el("p", { class: "title" }, one ? cardLink(one, finding.name) : el("strong", null, finding.name || finding.text), finding.version ? el("span", { class: "version" }, shortVersion(finding.version)) : null, ...chips.map((chip) => el("span", { class: `chip chip-${chip}` }, chip))),
            el("div", null,
              finding.name ? el("p", null, finding.text) : null,
              one && !one.direct ? el("p", { class: "path" }, findPath(one).join(" → ")) : null,
              finding.locations.length ? el("p", { class: "where" }, el("code", null, formatLocations(finding.locations))) : null,
              waiver ? el("p", { class: "waiver" }, `waived${waiver.until ? ` until ${waiver.until}` : ""}: ${waiver.reason}`) : null));
        });
        list.append(...items);
        if (rest.length) button.textContent = `Show ${Math.min(PAGE_ROWS, rest.length)} of ${number(rest.length)} more`;
        else more.remove();
        const first = items[0].querySelector("button");
        if (first && document.activeElement === document.body) first.focus();
      };
      const button = el("button", { type: "button", onclick: show }, `Show ${Math.min(PAGE_ROWS, rest.length)} of ${number(rest.length)} more`);
      more.replaceChildren(button);
    }
    const apply = () => {
      readHash();
      update();
      const one = state.card && findCard(state.card);
      if (one) openCard(one);
      else if (dialog.open) dialog.close();
    };
    addEventListener("hashchange", () => {
      if (location.hash.includes("=")) apply();
    });
    apply();
  };

  const fail = () => {
    const note = "The data of this page cannot be read by this browser. The findings above are complete as far as they are shown; "
      + "a newer browser, or nerq scan --format json, has the rest.";
    const heading = byId("dependencies");
    if (heading) heading.after(el("p", { class: "note", role: "alert" }, note));
    document.documentElement.dataset.ready = "0";
  };
  addEventListener("DOMContentLoaded", () => requestAnimationFrame(() => setTimeout(() => readReport().then(start).then(() => {
    document.documentElement.dataset.ready = "1";
  }).catch((error) => {
    console.error(error);
    fail();
  }), 0)));
})();
