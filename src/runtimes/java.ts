import { javaCauses } from "./causes.ts";
import type { Runtime } from "./runtime.ts";

/**
 * Java with Maven. `clean`, since Maven leaves classes and jars of deleted files and former
 * versions, which `java -jar target/*.jar` would find; downloads stay cached.
 */
export const maven: Runtime = {
  name: "Java Maven",
  needs: [["java", "mvn"]],
  remedy: "sudo apt install maven default-jdk-headless",
  causes: javaCauses,
  detects: ({ names }) => names.includes("pom.xml"),
  settings: () => ({}),
  build: () => [{ title: "Running mvn package", argv: ["mvn", "-B", "-ntp", "clean", "package"] }],
  // Everything that a Procfile may name (`target/app.jar`, `target/classes`, `target/dependency`),
  // but not Maven's own files.
  isOutput: (name) => /^(target|build)\//.test(name),
  goesLive: (name) =>
    !/(^|\/)target\/(test-classes|generated-[^/]+|[^/]+-reports|maven-[^/]+|[^/]+\.original$)/.test(
      name,
    ),
};

const gradleFiles = ["build.gradle", "build.gradle.kts"];

/** Gradle rebuilds what is stale, but leaves the jar of a former version beside the new one. */
const gradleBuild = (program: string) => ({
  title: "Running gradle build",
  argv: ["sh", "-c", `rm -rf build/libs; exec ${program} --no-daemon --console=plain build`],
});

/** Java with Gradle. */
export const gradle: Runtime = {
  name: "Java Gradle",
  needs: [["java", "gradle"]],
  remedy: "sudo apt install gradle default-jdk-headless, or commit Gradle's wrapper",
  causes: javaCauses,
  detects: ({ names }) => gradleFiles.some((name) => names.includes(name)),
  settings: () => ({}),
  build: () => [gradleBuild("gradle")],
  isOutput: (name) => /^(target|build)\//.test(name),
  goesLive: (name) =>
    !/(^|\/)(\.gradle\/|build\/(tmp|reports|test-results|generated|distributions|kotlin)\/)/.test(
      name,
    ),
};

/** Java with the repository's own Gradle wrapper. */
export const gradleWrapper: Runtime = {
  ...gradle,
  needs: [["java"]],
  remedy: "sudo apt install default-jdk-headless",
  detects: (source) => gradle.detects(source) && source.names.includes("gradlew"),
  build: () => [gradleBuild("sh ./gradlew")],
};
