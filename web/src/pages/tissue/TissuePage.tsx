import { EmptyState, PageHead } from "../../ui";

export default function TissuePage() {
  return (
    <>
      <PageHead title="Tissue" />
      <EmptyState title="Not built yet" />
    </>
  );
}
