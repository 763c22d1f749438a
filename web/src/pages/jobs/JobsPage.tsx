import { EmptyState, PageHead } from "../../ui";

export default function JobsPage() {
  return (
    <>
      <PageHead title="Jobs" />
      <EmptyState title="Not built yet" />
    </>
  );
}
