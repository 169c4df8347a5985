"""The four digit classifiers of the demo and the split they share.

Both the servers and the offline truth build their models here, so that any
difference between the two is the proxy's doing.
"""

import sklearn.datasets
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

LIVE = "logreg"
MODELS = {
    "logreg": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "svc": lambda: SVC(gamma=0.001, C=10, probability=True, random_state=0),
    "forest": lambda: RandomForestClassifier(50, random_state=0),
    "knn": lambda: KNeighborsClassifier(3),
}
FAULTS = ("swap-classes",)


def split():
    """(train_x, train_y, test_x, test_y): every third row, from the first, tests."""
    digits = sklearn.datasets.load_digits()
    test = [i for i in range(len(digits.data)) if i % 3 == 0]
    train = [i for i in range(len(digits.data)) if i % 3 != 0]
    return digits.data[train], digits.target[train], digits.data[test], digits.target[test]


def fit(kind, data=None):
    train_x, train_y = (data or split())[:2]
    return MODELS[kind]().fit(train_x, train_y)


def probabilities(model, rows, fault=None):
    """[n, 10] float64; `swap-classes` exchanges the columns of 3 and 8."""
    p = model.predict_proba(rows)
    if fault == "swap-classes":
        p[:, [3, 8]] = p[:, [8, 3]]
    return p
