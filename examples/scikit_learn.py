"""The estimator in a search of scikit-learn: python examples/scikit_learn.py"""

from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV

from smoothlab import SmoothClassifier

features, labels = load_wine(as_frame=True, return_X_y=True)
model = SmoothClassifier(smoothing="standard", trainer__max_epochs=5)
search = GridSearchCV(model, {"smoothing__strength__epsilon": [0.0, 0.1]}, cv=2, scoring="neg_log_loss")
print(search.fit(features, labels).best_params_)
