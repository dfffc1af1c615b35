(defproject hello "1.0"
  :dependencies [[org.clojure/clojure "1.12.0"]]
  :main hello
  :aot [hello]
  :uberjar-name "hello.jar")
