"""The Python of docs/synthetic.md runs."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "synthetic.md"


def test_the_example_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(code, str(PAGE), "exec"), {})
    assert "true_diagnosis_3" in capsys.readouterr().out


def test_every_data_config_and_metric_is_on_the_page():
    from smoothlab.metrics.truth import NAMES

    text = PAGE.read_text(encoding="utf-8")
    domains = [path.stem for path in (PAGE.parents[1] / "conf" / "data").glob("synthetic_*.yaml")]
    assert len(domains) == 5
    assert [name for name in (*domains, *NAMES) if f"`{name}`" not in text] == []
