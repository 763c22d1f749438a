from tiny_service import tiny_client


def test_board_and_parts_are_shown(tmp_path):
    with tiny_client(tmp_path, cell=False) as client:
        names = {each["name"] for each in client.get("/api/v1/leaderboard").json()["benchmarks"]}
        assert {"papalexi-unseen-target", "larry-clonal-fate"} <= names
        parts = client.get("/api/v1/parts").json()["parts"]
        assert {"name": "count-pca", "origin": parts["encoders"][0]["origin"]} in parts["encoders"]
