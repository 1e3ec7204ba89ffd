// What forms and links cannot do: the live board, the switch dialog, and forms that grow rows without
// losing their place. Every page works without this file.
"use strict";

const board = document.getElementById("people");
if (board) {
  followBoard(board);
  filterBoard(board);
  setInterval(() => showDurations(board), 1000);
  openDialogs(document.getElementById("dialog"));
}
const stanzas = document.getElementById("stanzas");
if (stanzas) followStanzas(stanzas);
document.querySelectorAll("form[data-live]").forEach(growRows);

// Whoever enters a time until which a profile holds has chosen "Until …".
document.addEventListener("change", (e) => {
  if (e.target.name === "until" && e.target.value) e.target.form.elements.for.value = "at";
});

// followBoard keeps the cards as the server's stream of events says.
function followBoard(board) {
  const live = document.getElementById("live");
  const say = (on, text) => {
    live.classList.toggle("on", on);
    live.lastElementChild.textContent = text;
  };
  const source = new EventSource(board.dataset.events);
  let gone = false;
  source.addEventListener("board", (e) => {
    const whole = JSON.parse(e.data);
    useColors(whole.colors);
    const wanted = new Set(whole.people.map((p) => "user-" + p.id));
    [...board.children].filter((c) => !wanted.has(c.id)).forEach((c) => c.remove());
    whole.people.forEach((p) => put(board, p, false));
    refresh(board);
    say(true, "Live");
  });
  source.addEventListener("person", (e) => {
    put(board, JSON.parse(e.data), true);
    refresh(board);
  });
  source.addEventListener("gone", (e) => {
    document.getElementById("user-" + e.data)?.remove();
    refresh(board);
  });
  source.addEventListener("signed-out", () => location.reload());
  source.onerror = () => {
    say(false, "Reconnecting …");
    // A stream that is refused (signed out, server restarted) is not retried by the browser.
    if (source.readyState === EventSource.CLOSED && !gone) {
      gone = true;
      setTimeout(() => location.reload(), 5000);
    }
  };
  addEventListener("pagehide", () => source.close());
}

// followStanzas puts what passes through a chat session on top of the table, as the server's stream says.
function followStanzas(body) {
  const source = new EventSource(body.dataset.events);
  source.addEventListener("stanza", (e) => {
    const template = document.createElement("template");
    template.innerHTML = JSON.parse(e.data).trim(); // made and escaped by the server
    const row = template.content.firstElementChild;
    if (document.getElementById(row.id)) return;
    body.querySelector(".empty")?.parentElement.remove();
    body.prepend(row);
    while (body.children.length > 500) body.lastElementChild.remove();
  });
  source.addEventListener("gone", () => {
    source.close();
    document.getElementById("gone").hidden = false;
  });
  source.addEventListener("signed-out", () => location.reload());
  addEventListener("pagehide", () => source.close());
}

// put places a card, in the order of names.
function put(board, person, mark) {
  const template = document.createElement("template");
  template.innerHTML = person.html.trim(); // made and escaped by the server
  const card = template.content.firstElementChild;
  const old = document.getElementById(card.id);
  if (old) {
    if (old.outerHTML === card.outerHTML) return;
    const focused = old.contains(document.activeElement) && document.activeElement.matches("[data-dialog]");
    old.remove();
    insert(board, card);
    if (focused) card.querySelector("[data-dialog]").focus();
  } else {
    insert(board, card);
  }
  if (mark) card.classList.add("changed");
  card.addEventListener("animationend", () => card.classList.remove("changed"));
}

function insert(board, card) {
  const after = [...board.children].find((c) => c.dataset.sort > card.dataset.sort);
  board.insertBefore(card, after ?? null);
}

function useColors(version) {
  const link = document.getElementById("colors");
  const href = "/static/profiles.css?v=" + version;
  if (link.getAttribute("href") !== href) link.setAttribute("href", href);
}

// filterBoard narrows the cards that are there, as one types.
function filterBoard(board) {
  const groups = document.getElementById("groups");
  groups.hidden = false;
  groups.addEventListener("click", (e) => {
    const chosen = e.target.closest("button");
    if (!chosen) return;
    groups.querySelectorAll("button").forEach((b) => b.setAttribute("aria-pressed", String(b === chosen)));
    refresh(board);
  });
  const form = document.getElementById("filters");
  form.q.addEventListener("input", () => refresh(board));
  form.querySelectorAll("select").forEach((s) => s.addEventListener("change", () => form.requestSubmit()));
  refresh(board);
}

function refresh(board) {
  const query = document.getElementById("q").value.trim().toLowerCase();
  const pressed = document.querySelector("#groups [aria-pressed=true]").dataset.group;
  const counts = { "": 0 };
  let shown = 0;
  for (const card of board.children) {
    const found = card.dataset.find.includes(query);
    if (found) {
      counts[""]++;
      counts[card.dataset.group] = (counts[card.dataset.group] ?? 0) + 1;
    }
    card.hidden = !found || (pressed !== "" && card.dataset.group !== pressed);
    if (!card.hidden) shown++;
  }
  document.querySelectorAll("#groups button").forEach((b) => {
    b.querySelector("b").textContent = counts[b.dataset.group] ?? 0;
  });
  document.getElementById("nobody").hidden = shown > 0;
  showDurations(board);
}

// showDurations shows how long calls last.
function showDurations(board) {
  board.querySelectorAll("[data-since]").forEach((e) => {
    const s = Math.max(0, Math.floor((Date.now() - Date.parse(e.dataset.since)) / 1000));
    const two = (n) => String(n).padStart(2, "0");
    const h = Math.floor(s / 3600);
    e.textContent = (h ? h + ":" + two(Math.floor(s / 60) % 60) : Math.floor(s / 60)) + ":" + two(s % 60);
  });
}

// openDialogs shows the form behind a link in a dialog over the board.
function openDialogs(dialog) {
  const show = async (response) => {
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const body = page.querySelector("[data-dialog-body]");
    if (!body) return location.reload();
    dialog.replaceChildren(body);
    if (!dialog.open) dialog.showModal();
  };
  document.addEventListener("click", async (e) => {
    const link = e.target.closest("a[data-dialog]");
    if (link && !e.ctrlKey && !e.metaKey && !e.shiftKey) {
      e.preventDefault();
      await show(await fetch(link.href));
    } else if (e.target.closest("[data-close]") || e.target === dialog) {
      e.preventDefault();
      dialog.close();
    }
  });
  dialog.addEventListener("submit", async (e) => {
    e.preventDefault();
    const form = e.target;
    const response = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (response.ok) dialog.close();
    else await show(response);
  });
}

// growRows lets the buttons that add, move and remove rows change the form in place. What is typed while the server
// answers stays, and an answer that a later one is to follow is not shown.
function growRows(form) {
  let latest = 0;
  const fields = () => [...form.elements].filter((f) => f.name && f.matches("select, textarea, input:not([type=checkbox], [type=radio])"));
  const change = async (name, value, sameRows) => {
    const mine = ++latest;
    const data = new URLSearchParams(new FormData(form));
    data.set(name, value);
    const before = new Map(fields().map((f) => [f.name, f.value]));
    const response = await fetch(location.pathname, { method: "POST", body: data });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (mine !== latest) return;
    const typed = sameRows ? fields().filter((f) => f.value !== before.get(f.name)) : [];
    const focused = form.contains(document.activeElement) ? document.activeElement.name : "";
    form.replaceChildren(...page.getElementById(form.id).childNodes);
    for (const f of typed) if (form.elements[f.name]) form.elements[f.name].value = f.value;
    if (sameRows && focused) form.elements[focused]?.focus?.();
  };
  form.addEventListener("submit", (e) => {
    if (e.submitter?.name !== "do") return;
    e.preventDefault();
    change("do", e.submitter.value, false);
  });
  form.addEventListener("change", (e) => {
    if (e.target.matches("select[name$='.kind']")) change("do", "refresh 1", true);
  });
}
