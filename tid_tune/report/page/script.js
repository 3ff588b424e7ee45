"use strict";
(() => {
  const options = JSON.parse(document.getElementById("options").textContent);
  const darkness = matchMedia("(prefers-color-scheme: dark)");
  // No bar of buttons: it covers the charts. A double click ends zooming.
  const config = { displayModeBar: false, responsive: false, showAxisDragHandles: false };
  const coarse = matchMedia("(pointer: coarse)").matches;
  const PAPER = 690; // pixels between the margins of a page, A4 or letter
  let printing = false;

  const trouble = (text) => {
    const place = document.getElementById("trouble");
    place.textContent = text;
    place.hidden = false;
  };

  // ---- charts ----
  const rgba = (hex, alpha) =>
    `rgba(${[1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)).join(",")},${alpha})`;

  // Put the colours of the theme in the places of the roles, `@ROLE` or `@ROLE/OPACITY`.
  const coloured = (value, colours) => {
    if (typeof value === "string" && value[0] === "@") {
      const [role, alpha] = value.slice(1).split("/");
      if (!(role in colours)) return value;
      return alpha ? rgba(colours[role], alpha) : colours[role];
    }
    if (Array.isArray(value)) return value.map((one) => coloured(one, colours));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, coloured(v, colours)]));
    }
    return value;
  };

  const isHidden = (figure) => {
    const closed = figure.closest("details:not([open])");
    return closed !== null;
  };

  const draw = (figure) => {
    if (isHidden(figure)) return;
    const theme = darkness.matches && !printing ? "dark" : "light";
    const drawn = JSON.parse(figure.querySelector("script").textContent);
    figure.querySelectorAll(".panel").forEach((panel, at) => {
      const { data, layout } = coloured(drawn[at], options.colours[theme]);
      // A chart that needs more room than there is scrolls in its panel.
      layout.width = printing ? PAPER : Math.max(panel.clientWidth, layout.meta?.least ?? 0);
      layout.dragmode = coarse ? false : "zoom"; // a finger scrolls the page
      if (layout.width < 480) {
        layout.font.size = 12;
        if (layout.title) layout.title.xref = "container"; // it needs the whole width
      }
      layout.autosize = false;
      Plotly.react(panel, data, layout, config);
      if (!panel.dataset.heard) {
        panel.dataset.heard = "yes";
        panel.on("plotly_click", (event) => show(event.points[0].customdata));
      }
    });
    figure.dataset.drawn = theme;
  };

  const figures = () => [...document.querySelectorAll("figure.chart")];
  const drawAll = () => figures().forEach(draw);
  const pause = () => new Promise((done) => setTimeout(done, 0));

  const unpack = async () => {
    if (!("DecompressionStream" in window)) {
      throw new Error(
        "this browser cannot unpack the charts. Open the report in Chrome or Edge 80, Firefox 113 " +
          "or Safari 16.4, or a later version. Texts and tables are complete without the charts",
      );
    }
    const place = document.getElementById("plotly");
    const bytes = Uint8Array.from(atob(place.textContent), (letter) => letter.charCodeAt(0));
    place.remove();
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  };

  // ---- trials: a click in a chart shows the trial ----
  const open = (target) => {
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  };

  const show = (trial) => {
    const target = trial && document.getElementById(trial);
    if (!target) return;
    open(target);
    location.hash = trial;
    target.scrollIntoView({ block: "start" });
  };

  const follow = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target) {
      open(target);
      target.scrollIntoView({ block: "start" });
    }
  };

  // ---- tables ----
  const keyOf = (row, column) => {
    const cell = row.cells[column];
    if ("value" in cell.dataset) return Number(cell.dataset.value);
    const text = cell.textContent.trim();
    return text === "" || isNaN(text) ? text : Number(text);
  };

  const compare = (a, b) => {
    const kinds = [typeof a === "number" ? 0 : 1, typeof b === "number" ? 0 : 1];
    if (kinds[0] !== kinds[1]) return kinds[0] - kinds[1];
    return kinds[0] === 0 ? a - b : String(a).localeCompare(String(b));
  };

  const sort = (table, column) => {
    const heads = [...table.tHead.rows[0].cells];
    const up = heads[column].getAttribute("aria-sort") === "descending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", up ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows].map((row) => [keyOf(row, column), row]);
    // What has no value stays below, whichever way the others go.
    rows.sort(([a], [b]) => {
      if ((a === "") !== (b === "")) return a === "" ? 1 : -1;
      return up ? compare(a, b) : compare(b, a);
    });
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };

  const prepareTables = () => {
    document.querySelectorAll("table.sortable").forEach((table) => {
      [...table.tHead.rows[0].cells].forEach((head, column) => {
        head.querySelector("button").addEventListener("click", () => sort(table, column));
      });
    });
  };

  const prepareCopying = () => {
    if (!navigator.clipboard) return;
    document.querySelectorAll(".copy").forEach((button) => {
      button.hidden = false;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(button.parentElement.querySelector("pre").textContent);
        button.textContent = "Copied";
        setTimeout(() => (button.textContent = "Copy"), 1500);
      });
    });
  };

  // ---- a running search: read the file again, and stay at the same place ----
  const KEPT = "tid-tune " + location.pathname;

  const keepPlace = () => {
    const ids = [...document.querySelectorAll("details[open][id]")].map((one) => one.id);
    sessionStorage.setItem(KEPT, JSON.stringify({ top: scrollY, ids }));
  };

  const takePlace = () => {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) || "null");
    sessionStorage.removeItem(KEPT);
    if (!kept) return false;
    kept.ids.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    scrollTo(0, kept.top);
    return true;
  };

  const reloadLater = () => {
    if (!options.reload) return;
    setTimeout(() => {
      keepPlace();
      location.reload();
    }, options.reload * 1000);
  };

  // ---- start ----
  const start = async () => {
    if (!takePlace()) follow();
    prepareTables();
    prepareCopying();
    addEventListener("hashchange", follow);
    if (figures().length) await prepareCharts();
  };

  const prepareCharts = async () => {
    await unpack();
    for (const figure of figures()) {
      draw(figure);
      await pause(); // the page answers while it draws
    }
    document.body.dataset.drawn = "yes";
    document.querySelectorAll("details").forEach((details) =>
      details.addEventListener("toggle", () => details.querySelectorAll("figure.chart").forEach(draw)),
    );
    darkness.addEventListener("change", drawAll);
    addEventListener("beforeprint", () => {
      printing = true;
      drawAll();
    });
    addEventListener("afterprint", () => {
      printing = false;
      drawAll();
    });
    let waiting = 0;
    let width = innerWidth;
    addEventListener("resize", () => {
      if (innerWidth === width) return;
      width = innerWidth;
      clearTimeout(waiting);
      waiting = setTimeout(drawAll, 150);
    });
  };

  start()
    .catch((error) => trouble(`The charts are missing: ${error.message}.`))
    .finally(reloadLater);
})();
