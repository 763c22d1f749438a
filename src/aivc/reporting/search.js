// A gene is looked up among those that the page holds; nothing is fetched, and text is only ever shown as text.
{
  const index = JSON.parse(document.getElementById("gene-index").textContent);
  const names = Object.keys(index.genes);
  const box = document.getElementById("gene");
  const said = document.getElementById("gene-said");
  const found = document.getElementById("gene-found");
  const made = (kind, text, parent) => {
    const one = document.createElement(kind);
    one.textContent = text;
    parent.append(one);
    return one;
  };
  const written = (value) => (value === null ? "–" : String(value).replace("-", "−"));
  const between = (low, high) => (low === null || high === null ? "not known" : `${written(low)} to ${written(high)}`);
  const show = (name) => {
    const table = document.createElement("table");
    const head = made("tr", "", table.createTHead());
    const measured = index.genes[name].some((row) => row[4] !== null);
    const columns = ["perturbation", "predicted effect", "90 % interval", ...(measured ? ["measured"] : [])];
    columns.forEach((column, i) => {
      const cell = made("th", column, head);
      cell.scope = "col";
      cell.className = i ? "num" : "";
    });
    const body = table.createTBody();
    for (const [which, effect, low, high, seen] of index.genes[name]) {
      const row = body.insertRow();
      const texts = [index.perturbations[which], written(effect), between(low, high), ...(measured ? [written(seen)] : [])];
      texts.forEach((text, i) => {
        made("td", text, row).className = i ? "num" : "";
      });
    }
    found.replaceChildren(table);
    said.textContent = `${name} in ${index.context}: the perturbations that move it most, in ${index.units}.`;
  };
  const look = () => {
    const asked = box.value.trim().toLowerCase();
    found.replaceChildren();
    said.textContent = `${names.length} of ${index.of} genes can be looked up here, by name.`;
    if (!asked) return;
    const exact = names.find((name) => name.toLowerCase() === asked);
    if (exact !== undefined) return show(exact);
    const begins = names.filter((name) => name.toLowerCase().startsWith(asked));
    const holds = names.filter((name) => name.toLowerCase().includes(asked) && !begins.includes(name));
    const near = [...begins, ...holds].slice(0, 12);
    if (near.length === 1) return show(near[0]);
    said.textContent = near.length ? "Which one?" : "No such gene on this page.";
    for (const name of near) {
      const pick = made("button", name, found);
      pick.type = "button";
      pick.addEventListener("click", () => {
        box.value = name;
        show(name);
      });
    }
  };
  box.addEventListener("input", look);
  document.getElementById("genes").hidden = false;
  look();
}
