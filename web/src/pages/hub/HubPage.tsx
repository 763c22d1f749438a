import { EmptyState, PageHead } from "../../ui";

export default function HubPage() {
  return (
    <>
      <PageHead title="Hub" />
      <EmptyState title="Not built yet" />
    </>
  );
}
