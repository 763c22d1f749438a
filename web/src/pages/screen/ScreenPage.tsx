import { EmptyState, PageHead } from "../../ui";

export default function ScreenPage() {
  return (
    <>
      <PageHead title="Screen" />
      <EmptyState title="Not built yet" />
    </>
  );
}
