(ns hello
  (:gen-class)
  (:import [com.sun.net.httpserver HttpHandler HttpServer]
           [java.net InetSocketAddress]))

(defn -main []
  (let [body (.getBytes "Hello from Clojure\n")
        address (InetSocketAddress. (System/getenv "BIND_ADDRESS") (Integer/parseInt (System/getenv "PORT")))]
    (doto (HttpServer/create address 0)
      (.createContext "/" (reify HttpHandler
                            (handle [_ exchange]
                              (.sendResponseHeaders exchange 200 (count body))
                              (.write (.getResponseBody exchange) body)
                              (.close exchange))))
      (.start))))
