"""Serve an exported model by HTTP: raw rows in, probabilities out.

pip install 'smoothlab[export]' fastapi uvicorn
smoothlab export run=outputs/medical/<run> output=model
MODEL=model uvicorn serve_fastapi:app --port 8000

curl localhost:8000/predict -H 'content-type: application/json' -d '{"rows": [{"mean radius": 14.1, ...}]}'
"""

from __future__ import annotations

import os
from typing import Any

import pandas as pd
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from smoothlab.errors import UserMistake
from smoothlab.export import load

app = FastAPI(title="smoothlab model")
model = load(os.environ.get("MODEL", "model"), threads=1)


class Rows(BaseModel):
    rows: list[dict[str, Any]] = Field(min_length=1, max_length=10_000)


@app.get("/about")
def about() -> dict[str, Any]:
    return {"columns": model.metadata["columns"], "classes": model.class_names, "run": model.metadata["run"]}


@app.post("/predict")
def predict(asked: Rows) -> dict[str, Any]:
    try:
        answer = model.predict(pd.DataFrame(asked.rows))
    except UserMistake as mistake:
        raise HTTPException(422, str(mistake)) from None
    return {"rows": answer.to_dict("records")}
