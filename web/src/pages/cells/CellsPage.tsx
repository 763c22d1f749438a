import { EmptyState, PageHead } from "../../ui";

export default function CellsPage() {
  return (
    <>
      <PageHead title="Cells" />
      <EmptyState title="Not built yet" />
    </>
  );
}
