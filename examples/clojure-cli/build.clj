(ns build
  (:require [clojure.tools.build.api :as b]))

(defn release [_]
  (let [basis (b/create-basis) classes "target/classes"]
    (b/delete {:path "target"})
    (b/compile-clj {:basis basis :class-dir classes :ns-compile '[hello]})
    (b/uber {:basis basis :class-dir classes :uber-file "target/hello.jar" :main 'hello})))
