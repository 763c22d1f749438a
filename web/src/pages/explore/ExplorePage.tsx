import { EmptyState, PageHead } from "../../ui";

export default function ExplorePage() {
  return (
    <>
      <PageHead title="Explore" />
      <EmptyState title="Not built yet" />
    </>
  );
}
