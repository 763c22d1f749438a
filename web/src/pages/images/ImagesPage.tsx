/** Cells as a microscope would show them: controls, the same cells as predicted, and measured ones. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { getJson } from "../../api/client";
import type { CellDetail } from "../../api/types";
import { DrawForm } from "../../components/DrawForm";
import { NeedsCell } from "../../components/NeedsCell";
import { Combobox, ErrorState, PageHead, Select, Skeleton } from "../../ui";

export default function ImagesPage() {
  return (
    <>
      <PageHead title="Images">
        Control cells, what is predicted of them, and measured cells, at one contrast. Only perturbations that were imaged can be drawn.
      </PageHead>
      <NeedsCell what="images" lacks="This virtual cell was fitted on no images">
        {(cell) => <Gallery key={cell.id} cell={cell} />}
      </NeedsCell>
    </>
  );
}

function Gallery({ cell }: { cell: CellDetail }) {
  const path = `/cells/${encodeURIComponent(cell.id)}`;
  const album = useQuery({
    queryKey: ["album", cell.id],
    staleTime: Infinity,
    queryFn: ({ signal }) => getJson<{ perturbations: string[]; contexts: string[] }>(`${path}/images`, signal),
  });
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState("");
  const [context, setContext] = useState("");
  const [seed, setSeed] = useState("0");
  if (album.isPending) return <Skeleton lines={6} />;
  if (album.isError) return <ErrorState error={album.error} retry={() => void album.refetch()} />;
  const { perturbations, contexts } = album.data;
  const asked = text.trim().toLowerCase();
  const perturbation = perturbations.includes(text.trim()) ? text.trim() : chosen;
  return (
    <DrawForm
      path={`${path}/gallery`}
      asked={{ perturbation, context, seed }}
      lacks={perturbation ? "" : "Choose a perturbation that was imaged."}
      action="Draw the cells"
      name={`cells ${perturbation}`}
      empty="Choose a perturbation, then draw the cells"
    >
      <Combobox
        label="Perturbation"
        text={text}
        onText={(next) => {
          setText(next);
          setChosen("");
        }}
        options={perturbations.filter((each) => each.toLowerCase().includes(asked)).slice(0, 30)}
        optionKey={(each) => each}
        optionLabel={(each) => each}
        onChoose={(each) => {
          setText(each);
          setChosen(each);
        }}
        nothing="No image of that name."
      />
      {contexts.length > 1 && (
        <Select
          label="Context"
          value={context}
          onChange={(event) => setContext(event.target.value)}
          choices={[{ value: "", label: "the first one" }, ...contexts.map((value) => ({ value, label: value }))]}
        />
      )}
      <Select
        label="Which cells"
        hint="Cells are drawn at random."
        value={seed}
        onChange={(event) => setSeed(event.target.value)}
        choices={["0", "1", "2", "3", "4"].map((value) => ({ value, label: `choice ${Number(value) + 1}` }))}
      />
    </DrawForm>
  );
}
