// What the page does without a request for a whole new one: keys, drafts, the difference as you type, and parts that
// change by themselves. Everything else is links and forms, and works without this.
"use strict";

const find = (what, where = document) => where.querySelector(what);
const each = (what, act) => document.querySelectorAll(what).forEach(act);
const isWriting = (at) => at instanceof HTMLElement && (at.matches("textarea, select, input:not([type=radio]):not([type=checkbox])"));

// Drafts: what was begun of an answer stays until it is saved, also when the tab closes.

const DRAFTS = "draft of ", SENT = "sent last";

function keepDraft(form) {
  const values = [...new FormData(form)].filter(([name]) => name !== "item");
  try {
    localStorage.setItem(DRAFTS + form.dataset.draft, JSON.stringify(values));
  } catch { /* no room: nothing else depends on it */ }
}

function takeDraft(form) {
  let values;
  try {
    values = JSON.parse(localStorage.getItem(DRAFTS + form.dataset.draft) || "null");
  } catch { values = null; }
  for (const [name, value] of values || []) {
    const field = [...form.elements].find((one) => one.name === name && (!["radio", "checkbox"].includes(one.type) || one.value === value));
    if (!field) continue;
    if (["radio", "checkbox"].includes(field.type)) field.checked = true; else field.value = value;
  }
}

// Of what was sent the last draft stays: where it was refused, or is undone, it is shown again as it was.
function sending(form) {
  const before = localStorage.getItem(SENT), now = form.dataset.draft;
  if (before && before !== now) localStorage.removeItem(DRAFTS + before);
  localStorage.setItem(SENT, now);
}

// The difference between the answer and its correction, and the fields of an object: the server tells both. A field
// that was changed is sent with the form, and the server puts it into the text.

function watchCorrection(form) {
  const text = find("#correction", form), shown = find("#difference", form);
  const details = find("#fields", form), fields = find(".fields", details);
  const before = text.defaultValue;
  let waiting = 0, asked = 0, byField = false;
  const tell = (all) => {
    const changed = find("[data-part=text]", all);
    if (changed && byField) { text.value = changed.defaultValue; keepDraft(form); }
    shown.replaceChildren(...find("[data-part=difference]", all).childNodes);
    if (fields.contains(document.activeElement)) return; // not while somebody writes there
    fields.replaceChildren(...find("[data-part=fields]", all).childNodes);
    byField = false;
    details.hidden = !find("[data-field]", fields);
  };
  const ask = async () => {
    const number = ++asked;
    const answer = await fetch(form.dataset.check, { method: "POST", body: new URLSearchParams(new FormData(form)) }).catch(() => null);
    const all = document.createElement("template");
    if (answer && answer.ok) all.innerHTML = await answer.text();
    if (number === asked && all.content.childElementCount) tell(all.content);
  };
  const soon = () => { clearTimeout(waiting); waiting = setTimeout(ask, 120); };
  form.addEventListener("formdata", ({ formData }) => {
    if (byField) each("[data-field]", ({ dataset, value, defaultValue }) => {
      if (value === defaultValue) return;
      for (const [name, what] of [["field", dataset.field], ["kind", dataset.kind], ["value", value]]) formData.append(name, what);
    });
  });
  text.addEventListener("input", () => { byField = false; soon(); });
  fields.addEventListener("input", () => { byField = true; soon(); });
  details.hidden = !find("[data-field]", fields);
  if (text.value !== before) soon();
}

// Parts that change by themselves, while they are seen.

function refresh(part) {
  const again = async () => {
    if (document.visibilityState === "visible") {
      const answer = await fetch(part.dataset.refresh).catch(() => null);
      if (answer && answer.ok) {
        const text = await answer.text();
        if (text !== part.dataset.shown && !part.contains(document.activeElement)) {
          part.innerHTML = text;
          part.dataset.shown = text;
        }
        const news = part.dataset.until && find("[data-over], [data-ready]", part);
        if (news && !find("form#choice")) { location.reload(); return; } // not under the eyes of who reads two answers
        if (part.dataset.until && find("[data-over]", part)) return;
      }
    }
    setTimeout(again, 1000 * Number(part.dataset.every));
  };
  if (!part.dataset.until || find("progress", part)) setTimeout(again, 1000 * Number(part.dataset.every));
}

// Keys. With caps lock a letter is the same key.

const keyOf = (event) => event.key.length === 1 ? event.key.toLowerCase() : event.key;

function press(form, name, value) {
  const button = find(`button[name="${name}"][value="${value}"]`, form);
  if (button) button.click();
}

function reviewKey(event, form) {
  const undo = find("#undo");
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") press(form, "do", "save");
  else if (isWriting(event.target) || event.ctrlKey || event.metaKey || event.altKey) return false;
  else if (event.shiftKey && /^Digit[1-9]$/.test(event.code)) {
    const tag = form.querySelectorAll("[name=tag]")[Number(event.code.slice(-1)) - 1];
    if (tag) { tag.checked = !tag.checked; keepDraft(form); }
  } else if (/^[1-5]$/.test(event.key)) {
    find(`[name=rating][value="${event.key}"]`, form).checked = true;
    keepDraft(form);
  } else if (keyOf(event) === "e") find("#correction", form).focus();
  else if (event.key === "ArrowRight") press(form, "do", "skip");
  else if ((event.key === "ArrowLeft" || keyOf(event) === "u") && undo) undo.requestSubmit();
  else return false;
  return true;
}

const CHOICES = { a: "left", ArrowLeft: "left", b: "right", ArrowRight: "right", t: "tie", x: "bad" };

function choiceKey(event, form) {
  const value = CHOICES[keyOf(event)];
  if (!value || isWriting(event.target) || event.ctrlKey || event.metaKey || event.altKey) return false;
  press(form, "vote", value);
  return true;
}

function rubricKey(event, part) {
  const undo = find("#undo"), topic = find(`[name=topic][value="${{ y: "on", n: "off" }[keyOf(event)]}"]`, part);
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") press(part, "do", "save");
  else if (isWriting(event.target) || event.ctrlKey || event.metaKey || event.altKey) return false;
  else if (/^[1-9]$/.test(event.key)) {
    const fact = part.querySelectorAll("[name=tick]")[Number(event.key) - 1];
    if (fact) fact.checked = !fact.checked;
  } else if (topic) topic.checked = true;
  else if (event.target.matches("[type=radio]")) return false; // there, arrows choose
  else if (event.key === "ArrowRight") press(part, "do", "skip");
  else if ((event.key === "ArrowLeft" || keyOf(event) === "u") && undo) undo.requestSubmit();
  else return false;
  return true;
}

const DECISIONS = { k: "keep", d: "drop", ArrowRight: "skip" };

function syntheticKey(event, part) {
  const undo = find("#undo");
  if (isWriting(event.target) || event.ctrlKey || event.metaKey || event.altKey) return false;
  if (event.repeat) return true; // a key that is held down decides on one example, and not on all
  if (DECISIONS[keyOf(event)]) press(part, "do", DECISIONS[keyOf(event)]);
  else if ((event.key === "ArrowLeft" || keyOf(event) === "u") && undo) undo.requestSubmit();
  else return false;
  return true;
}

function onKey(event) {
  const review = find("#review"), choice = find("#choice"), rubric = find("#rubric"), help = find("#help");
  const synthetic = find("#synthetic");
  if (event.key === "Escape" && isWriting(event.target)) { event.target.blur(); return; }
  if (help && help.open) return;
  let done = false;
  if (event.key === "?" && help && !isWriting(event.target)) { help.showModal(); done = true; }
  else if (review) done = reviewKey(event, review);
  else if (choice) done = choiceKey(event, choice);
  else if (rubric) done = rubricKey(event, rubric);
  else if (synthetic) done = syntheticKey(event, synthetic);
  if (done) event.preventDefault();
}

function begin() {
  each("form[data-draft]", (form) => {
    takeDraft(form);
    watchCorrection(form);
    form.addEventListener("input", () => keepDraft(form));
    form.addEventListener("submit", () => sending(form));
  });
  each("form[method=post]", (form) => form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault(); // twice is once
    form.dataset.sent = "yes";
  }));
  each("[data-refresh]", refresh);
  each("[data-help]", (button) => button.addEventListener("click", () => find("#help").showModal()));
}

document.addEventListener("keydown", onKey); // at once: a key may come before the page is whole
document.addEventListener("DOMContentLoaded", begin);
addEventListener("pageshow", () => each("form[data-sent]", (form) => delete form.dataset.sent)); // also when one goes back
