import { EmptyState, PageHead } from "../../ui";

export default function LeaderboardPage() {
  return (
    <>
      <PageHead title="Leaderboard" />
      <EmptyState title="Not built yet" />
    </>
  );
}
