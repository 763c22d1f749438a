import { cleanup, render, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useState } from "react";
import { afterEach, expect, it, vi } from "vitest";
import { Combobox } from "./Combobox";
import { ErrorState } from "./states";
import { Table } from "./Table";
import { Tabs } from "./Tabs";
import { Failure } from "../api/failure";

afterEach(cleanup);

function Genes({ onChoose, onFreeText, stale }: { onChoose: (name: string) => void; onFreeText?: (text: string) => void; stale?: boolean }) {
  const [text, setText] = useState("");
  return (
    <Combobox label="Gene" text={text} onText={setText} options={["JAK1", "JAK2", "STAT1"]} optionKey={String} optionLabel={String} onChoose={onChoose} onFreeText={onFreeText} stale={stale} />
  );
}

it("chooses by arrows and Enter, and says which option is active", async () => {
  const chosen = vi.fn();
  render(<Genes onChoose={chosen} />);
  const box = screen.getByRole("combobox", { name: "Gene" });
  await userEvent.type(box, "J{ArrowDown}{ArrowDown}");
  expect(box.getAttribute("aria-activedescendant")).toBe(screen.getByRole("option", { selected: true }).id);
  await userEvent.keyboard("{Enter}");
  expect(chosen).toHaveBeenCalledExactlyOnceWith("JAK2");
});

it("takes the option that was typed whole, else the text itself", async () => {
  const [chosen, free] = [vi.fn(), vi.fn()];
  render(<Genes onChoose={chosen} onFreeText={free} />);
  const box = screen.getByRole("combobox");
  await userEvent.type(box, "jak2{Enter}");
  expect(chosen).toHaveBeenCalledWith("JAK2");
  await userEvent.clear(box);
  await userEvent.type(box, "ABC{Enter}");
  expect(free).toHaveBeenCalledWith("ABC");
});

it("offers no option of an earlier text", async () => {
  const chosen = vi.fn();
  render(<Genes onChoose={chosen} stale />);
  await userEvent.type(screen.getByRole("combobox"), "STA{ArrowDown}{Enter}");
  expect(chosen).toHaveBeenCalledExactlyOnceWith("STAT1");
});

it("closes with Escape and keeps the text", async () => {
  render(<Genes onChoose={vi.fn()} />);
  const box = screen.getByRole("combobox");
  await userEvent.type(box, "JAK{Escape}");
  expect(screen.queryByRole("listbox")).toBeNull();
  expect((box as HTMLInputElement).value).toBe("JAK");
});

it("sorts, filters and turns pages", async () => {
  const rows = Array.from({ length: 30 }, (_, i) => ({ name: `gene ${i}`, value: i === 7 ? null : i }));
  render(
    <Table
      caption="Genes"
      rows={rows}
      rowKey={(row) => row.name}
      pageSize={10}
      filter
      columns={[
        { key: "name", header: "Name", rowHeader: true, cell: (row) => row.name, value: (row) => row.name },
        { key: "value", header: "Value", numeric: true, cell: (row) => row.value, value: (row) => row.value },
      ]}
    />,
  );
  const first = () => within(screen.getAllByRole("row")[1]!).getByRole("rowheader").textContent;
  await userEvent.click(screen.getByRole("button", { name: /Value/ }));
  expect(first()).toBe("gene 29");
  expect(screen.getByRole("columnheader", { name: /Value/ }).getAttribute("aria-sort")).toBe("descending");
  await userEvent.click(screen.getByRole("button", { name: "Next" }));
  expect(first()).toBe("gene 19");
  await userEvent.type(screen.getByRole("searchbox"), "gene 7");
  expect(screen.getAllByRole("row")).toHaveLength(2);
});

it("goes through tabs by arrows", async () => {
  render(<Tabs label="Views" tabs={[{ key: "a", label: "One", content: "first" }, { key: "b", label: "Two", content: "second" }]} />); // prettier-ignore
  screen.getByRole("tab", { name: "One" }).focus();
  await userEvent.keyboard("{ArrowRight}");
  expect(screen.getByRole("tabpanel", { name: "Two" }).textContent).toBe("second");
});

it("lists every problem of a refusal", () => {
  render(<ErrorState error={new Failure("DataError", ["First. Do this.", "Second. Do that."], 422)} />);
  expect(within(screen.getByRole("alert")).getAllByRole("listitem").map((item) => item.textContent)).toEqual(["First. Do this.", "Second. Do that."]);
});
