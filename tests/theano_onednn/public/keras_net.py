"""Keras 2.2.4 on Theano: convolutions, batch normalisation and a GRU over the rows."""
import os

os.environ["KERAS_BACKEND"] = "theano"
import keras  # noqa: E402
import numpy as np  # noqa: E402
from data import images  # noqa: E402
from keras import layers  # noqa: E402

np.random.seed(1)
keras.backend.set_image_data_format("channels_first")
X, y = images()
net = keras.Sequential([
    layers.Conv2D(6, 3, activation="relu", padding="same", input_shape=(3, 16, 16)), layers.MaxPooling2D(),
    layers.Conv2D(6, 3, strides=2, use_bias=False), layers.BatchNormalization(axis=1), layers.Activation("relu"),
    layers.Permute((2, 1, 3)), layers.Reshape((3, 18)), layers.GRU(5), layers.Dense(4, activation="softmax")])
net.compile("adam", "sparse_categorical_crossentropy")
for _ in range(5):
    print(net.train_on_batch(X, y[:, None]))
