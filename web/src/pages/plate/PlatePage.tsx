import { EmptyState, PageHead } from "../../ui";

export default function PlatePage() {
  return (
    <>
      <PageHead title="Plate" />
      <EmptyState title="Not built yet" />
    </>
  );
}
