"""The Trainer of transformers: python examples/hugging_face.py (pip install "transformers>=5" accelerate)"""

import tempfile

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

from smoothlab import SmoothCrossEntropy
from smoothlab.loops import SmoothTrainerMixin, calibration_metrics


class SmoothTrainer(SmoothTrainerMixin, Trainer):
    criterion = SmoothCrossEntropy(0.1)


sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
model = BertForSequenceClassification(BertConfig(vocab_size=30, num_labels=3, **sizes))
rows = [{"input_ids": torch.full((4,), 5 + row % 3), "labels": row % 3} for row in range(60)]
with tempfile.TemporaryDirectory() as folder:
    options = {"per_device_train_batch_size": 10, "report_to": "none", "disable_tqdm": True, "use_cpu": True}
    arguments = TrainingArguments(folder, num_train_epochs=2, eval_strategy="epoch", save_strategy="no", **options)
    trainer = SmoothTrainer(
        model, arguments, train_dataset=rows, eval_dataset=rows, compute_metrics=calibration_metrics
    )
    trainer.train()
    print({name: value for name, value in trainer.evaluate().items() if name in ("eval_loss", "eval_nll", "eval_ece")})
